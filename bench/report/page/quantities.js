// How a number is written: as bench/report/quantities.py does, which a test holds it to.

const TIMES = [["s", 1], ["ms", 1e-3], ["µs", 1e-6], ["ns", 1e-9], ["ps", 1e-12]];
const DECIMAL = [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3], ["", 1]];

function significant(value, digits = 3) {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const magnitude = Number(exponent);
  if (magnitude > -5 && magnitude < 6) {
    return Number(value.toExponential(digits - 1)).toFixed(Math.max(0, digits - 1 - magnitude));
  }
  return `${mantissa}e${magnitude}`;
}

function inUnit(value, units) {
  if (value === 0) return `0 ${units === TIMES ? "s" : ""}`;
  const [unit, scale] = units.find(([, size]) => Math.abs(Number((value / size).toExponential(2))) >= 1) ?? units.at(-1);
  return `${significant(value / scale)} ${unit}`;
}

const duration = (seconds) => inUnit(seconds, TIMES);
const rate = (perSecond, unit) => `${inUnit(perSecond, DECIMAL)}${unit}/s`;

function percent(share) {
  const hundredths = 100 * share;
  if (hundredths === 0) return "0%";
  if (hundredths < 0.1) return "<0.1%";
  return hundredths >= 9.5 ? `${hundredths.toFixed(0)}%` : `${Number(hundredths.toPrecision(1))}%`;
}

// Ticks of axes: 1 ms, 10 µs, 100 Gflop/s.
const shortDuration = (seconds) => duration(seconds).replace(/\.0+ /, " ");
const shortRate = (unit) => (perSecond) => rate(perSecond, unit).replace(/\.0+ /, " ");
