"""What a line of plain-text mathematics looks like typeset, and that nothing of it acts or is lost."""

from functools import cache
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xpbench.bench import registry
from xpbench.bench.report.formula import Part, mathml, parts
from xpbench.bench.report.formula.words import LARGE, SIGNS, SYMBOLS
from xpbench.bench.report.records import visible

_ELEMENTS = """
    math mrow mi mn mo mtext mspace mpadded msub msup msubsup munder mover munderover mfrac msqrt
    mtable mtr mtd
"""
_ATTRIBUTES = "display alttext aria-label form stretchy lspace rspace width depth largeop"

PROSE = """
    NaN Yule-Walker a all along an and at bits by column columns density dual: else elsewhere entries
    entry expand first fit for from given has held if impute in integer is its last least maximise mean
    minimise minimises nearest new no not of on on: or other others out: over prediction primal: replaced
    row row: rows runs same scale score smallest split spread squares standard states steps subject sum
    sums ternary test the then times times: to train training weights where with .
"""
"""The words of the formula blocks that are prose, and the full stop at the end of one."""

NAMES = """
    AUC Fc Tc accuracy argmax argmin batch before class const cos det deviation diag dof draws eps erfc
    error evidence exp floor gap importance inertia interval kurtosis left lg log logdet loss max mean
    median min negative order orth penalty permutation permutations positive precision predicted rate
    recall right round sign skewness softmax tanh test train trials true truth value
"""
"""The names and functions of more than one letter in them."""


@cache
def formulas() -> dict[str, list[str]]:
    """The lines of the formula block of every kernel."""
    return {
        name: [part.text for part in parts(kernel.description) if part.kind == "formula"]
        for name, kernel in registry.find([]).kernels.items()
    }


def tree(line: str, display: bool = True) -> ElementTree.Element:
    return ElementTree.fromstring(mathml(line, display))


def shape(element: ElementTree.Element) -> str:
    """An element in a line: a fraction as {a}/{b}, scripts as _{} and ^{}, limits as __{} and ^^{}.

    Names of more than one letter stand in <>, text in quotes, and a gap is a space.
    """
    inner = [shape(child) for child in element]
    text = element.text or ""
    match element.tag, inner:
        case "mspace", _:
            return " "
        case "mtext", _:
            return f"'{text}'"
        case "mi", _:
            return f"<{text}>" if len(text) > 1 else text
        case "mfrac", [above, below]:
            return f"{{{above}}}/{{{below}}}"
        case "msqrt", _:
            return f"√{{{''.join(inner)}}}"
        case ("msub" | "munder") as tag, [base, sub]:
            return f"{base}{'_' if tag == 'msub' else '__'}{{{sub}}}"
        case ("msup" | "mover") as tag, [base, sup]:
            return f"{base}{'^' if tag == 'msup' else '^^'}{{{sup}}}"
        case "msubsup", [base, sub, sup]:
            return f"{base}_{{{sub}}}^{{{sup}}}"
        case "munderover", [base, sub, sup]:
            return f"{base}__{{{sub}}}^^{{{sup}}}"
        case ("mtr" | "mtable") as tag, _:
            return (" & " if tag == "mtr" else " // ").join(inner)
        case _:
            return text + "".join(inner)


def written(element: ElementTree.Element) -> str:
    """What an element says, in order, with the signs that MathML has elements for."""
    between = {"mfrac": "/", "mtable": ";", "mtr": ","}.get(element.tag, "")
    before = "sqrt" if element.tag == "msqrt" else ""
    return before + (element.text or "") + between.join(written(child) for child in element)


def plain(text: str) -> str:
    """Text without spaces, brackets and the marks of scripts, and with words for what replaces them."""
    for source, sign in [*SYMBOLS.items(), *LARGE.items(), *SIGNS.items(), ("...", "⋯"), ("in", "∈")]:
        text = text.replace(sign, source)
    return "".join(sign for sign in text if sign not in "(){}_^" and not sign.isspace())


def shown(text: str) -> str:
    """What of ``text`` can be shown: escapes in place of what cannot be seen, and no spaces."""
    solid = visible("".join(text.split()))
    return "".join(
        character.encode("unicode_escape").decode() if ord(character) & 0xFFFE == 0xFFFE else character
        for character in solid
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # Names: letters, symbols, functions, digits as an index.
        ("z = alpha x + y", "z=α x+y"),
        ("Omega_ij", "Ω_{ij}"),
        ("rate x", "<rate> x"),
        ("W1 h2", "W_{1} h_{2}"),
        ("beta1^t", "β_{1}^{t}"),
        ("S2_t", "S_{2 t}"),
        ("x log f - log sigma", "x <log> f−<log> σ"),
        ("-inf", "−∞"),
        ("1e-6 + 0.25", "1e-6+0.25"),
        # Indices.
        ("s_ik", "s_{ik}"),
        ("L_k,jj", "L_{k,jj}"),
        ("w_t-1 - b", "w_{t−1}−b"),
        ("a_-1", "a_{−1}"),
        ("x_nc,i+a-r,j+b-r w", "x_{nc,i+a−r,j+b−r} w"),
        ("x_i-y_i", "x_{i}−y_{i}"),
        ("f(a_i, b)", "f(a_{i}, b)"),
        ("u_before", "u_{<before>}"),
        ("x_(1) <= x_(k+1)", "x_{(1)}≤x_{(k+1)}"),
        ("m_{y_i, j}", "m_{y_{i}, j}"),
        ("r_|i-j| g", "r_{|i−j|} g"),
        ("I_{1-p}(n, k)", "I_{1−p}(n, k)"),
        ("(W, b)_0", "(W, b)_{0}"),
        ("f[i+1]", "f[i+1]"),
        # Powers, primes and factorials.
        ("n^3 + n^1.5", "n^{3}+n^{1.5}"),
        ("C^-T x^-lambda x^*", "C^{−T} x^{−λ} x^{*}"),
        ("R^-1 Q'b", "R^{−1} Q′b"),
        ("m_2^(3/2)", "m_{2}^{3/2}"),
        ("x^(k)", "x^{(k)}"),
        ("h_l-1' f''(x) A'_i^2", "h_{l−1}′ f′′(x) A′_{i}^{2}"),
        ("(A'A + 1)^-1", "(A′A+1)^{−1}"),
        ("x'(A x)", "x′(A x)"),
        ("x^2_i", "x^{2}_{i}"),
        ("(n - k)!", "(n−k)!"),
        # Fractions: in the open, not in brackets, indices, powers and other fractions.
        ("1/2 n", "{1}/{2} n"),
        ("x'y / 2", "{x′y}/{2}"),
        ("a / (b + c)", "{a}/{b+c}"),
        ("a / (b + c)'", "{a}/{(b+c)′}"),
        ("(a + b) / 2 - 1", "{a+b}/{2}−1"),
        ("(1 / d) x", "{1}/{d} x"),
        ("|1 / d| x", "|1/d| x"),
        ("exp(-z^2 / 2)", "<exp>(−z^{2}/2)"),
        ("log(p / (a b))", "<log>(p/(a b))"),
        ("a / (v / (n - 1))", "{a}/{v/(n−1)}"),
        ("a/b/c", "{a}/{b}/c"),
        ("a / b c / d", "{a}/{b} {c}/{d}"),
        ("x log x / 2", "x <log> x/2"),
        ("GB/s", "<GB>/s"),
        ("n/a", "'n/a'"),
        ("df/dx = 2", "{df}/{dx}=2"),
        ("dloss/dW_l", "{d<loss>}/{dW_{l}}"),
        ("d2loss/dw2", "{d^{2}<loss>}/{dw^{2}}"),
        ("/ 2", "/2"),
        ("a /", "a/"),
        # Large operators and limits.
        ("sum_i x_i / n", "∑__{i}{x_{i}}/{n}"),
        ("sum_(t=p)^(n-1) x", "∑__{t=p}^^{n−1}x"),
        ("sum_{i in O_j} x", "∑__{i∈O_{j}}x"),
        ("e / sum_l e_l f", "{e}/{∑_{l}e_{l} f}"),
        ("prod_i (1 - sum_j x)", "∏__{i}(1−∑_{j}x)"),
        ("integral_0^1 f(x) dx", "∫_{0}^{1}f(x) dx"),
        ("max_j |x_j|", "<max>__{j} |x_{j}|"),
        ("mean_j = 1", "<mean>_{j}=1"),
        ("sum of x", "'sum of' x"),
        ("sqrt(a / b)", "√{{a}/{b}}"),
        ("1 / sqrt(2 pi)", "{1}/{√{2 π}}"),
        # Bars, brackets, sets and matrices.
        ("|x_i| |x_j|", "|x_{i}| |x_{j}|"),
        ("1/2 |L^-1 (x - m)|^2", "{1}/{2} |L^{−1} (x−m)|^{2}"),
        ("||X||^2", "||X||^{2}"),
        ("P(|T| >= |t|)", "P(|T|≥|t|)"),
        ("p(b_j | a_i)", "p(b_{j}|a_{i})"),
        ("||x| - 1|", "||x|−1|"),
        ("[0, 1)^d", "[0, 1)^{d}"),
        ("#{i : x_i = a}", "#{i: x_{i}=a}"),
        ("W = V'[:k]", "W=V′[:k]"),
        ("[ Q, A'; A, 0 ] [ x; -l ]", "[Q & A′ // A & 0] [x // −l]"),
        # Signs.
        ("x <- A x", "x←A x"),
        ("a <=> b -> c != d ~ e × f", "a⇔b→c≠d∼e×f"),
        ("w_1 <= ... <= w_n", "w_{1}≤⋯≤w_{n}"),
        ("k = 1 ... n", "k=1…n"),
        # Prose.
        ("x = 0 for i > j, else 1", "x=0 'for' i>j, 'else' 1"),
        ("steps times:    Q", "'steps times:' Q"),
        ("4 bits a row", "4 'bits a row'"),
        ("standard error = 1", "'standard' <error>=1"),
        ("P / row sums of Z", "P/ 'row sums of' Z"),
        ("minimise |x|", "'minimise' |x|"),
        # What cannot be read.
        ("a ) b", "a)b"),
        ("(a", "(a"),
        ("x_{} sum_()", "x∑"),
        ("_i ^2 @", "'_i' '^2' '@'"),
        ("", ""),
    ],
)
def test_every_notation_is_read(line: str, expected: str) -> None:
    assert shape(tree(line)) == expected


def test_a_line_is_marked_up_in_full() -> None:
    assert mathml("x_1 = <a/2") == (
        '<math display="block" alttext="x_1 = &lt;a/2" aria-label="x_1 = &lt;a/2">'
        "<msub><mi>x</mi><mn>1</mn></msub><mo>=</mo><mo>&lt;</mo>"
        "<mfrac><mi>a</mi><mn>2</mn></mfrac></math>"
    )


def test_within_a_line_of_text_fractions_and_limits_keep_the_height_of_the_line() -> None:
    assert shape(tree("1/n sum_i x_i / 2", display=False)) == "1/n∑_{i}x_{i}/2"
    assert tree("x", display=False).attrib["display"] == "inline"
    assert tree("x").attrib["display"] == "block"


def test_a_sign_before_a_number_is_not_spaced_as_one_between_numbers() -> None:
    minus = [element for element in tree("x = -1 - 2 - ... - 3").iter("mo") if element.text == "−"]
    assert [element.get("form") for element in minus] == ["prefix", None, None, None]


def test_brackets_grow_with_a_matrix_alone() -> None:
    def stretchy(line: str) -> set[str | None]:
        return {element.get("stretchy") for element in tree(line).iter("mo") if element.text == "|"}

    assert stretchy("|x|") == {"false"}
    assert stretchy("| [ X; 1 ] w |") == {"true"}


def test_spaces_between_formulas_of_a_line_stay_wider_than_those_within() -> None:
    def gaps(line: str) -> list[float]:
        return [float(gap.attrib["width"].removesuffix("em")) for gap in tree(line).iter("mspace")]

    (within,) = gaps("a b")
    (two,) = gaps("a,  b")
    (four,) = gaps("a,    b")
    assert within < two < four
    assert gaps("    = b")[0] > within


PIECES = [*"abxyT0129_^'!()[]{}|/,;:#+-*=<>~.@&\"\\ ", "\u202e", "  "]
PIECES += ["sum_", "integral_", "max_", "sqrt(", "log", "mu", "loss", "in", "of", "for", "n/a"]
PIECES += ["||", "...", "<-", "<=", "d2f/dx2", "x_t-1"]
LINES = st.text() | st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@given(LINES, st.booleans())
@example("<script>alert(1)</script>", True)
@example("\x00\x1b[2J\ud800\uffff\U0001ffff\u2028", True)
@example('" onload="alert(1)', False)
@example("&lt;b&gt; ]]> <!-- -->", True)
@example("x_a^1_b^2_c^3_d^4_e^5", True)
def test_a_line_is_shown_in_full_and_in_order_and_does_not_act(line: str, display: bool) -> None:
    math = tree(line, display)
    assert {element.tag for element in math.iter()} <= set(_ELEMENTS.split())
    assert {name for element in math.iter() for name in element.attrib} <= set(_ATTRIBUTES.split())
    assert plain(written(math)) == plain(shown(line))
    for element in math.iter():
        if element.tag in ("mfrac", "msub", "msup", "munder", "mover"):
            assert len(element) == 2
        elif element.tag in ("msubsup", "munderover"):
            assert len(element) == 3
        elif element.tag in ("mi", "mn", "mo", "mtext"):
            assert element.text
            assert not len(element)


DEEP = [*"(){|_'!", "(a", "x_{", "x^(", "sqrt(", "a/", "x^2_3", "f(x)", "[a;", "dx/dy", "1/(", "a_b"]
DEEP += [" |a", "a / ", "a / b c / ", "sum_i ", "/ sum_i a ", "# {", "log ", "- ", "for "]


@pytest.mark.parametrize("piece", DEEP)
def test_no_line_is_too_deep(piece: str) -> None:
    closing = {"(": ")", "{": "}", ";": "]"}.get(piece[-1], "")
    for line in (piece * 1000, piece * 500 + "x" + closing * 500):
        assert plain(written(tree(line))) == plain(line)


def test_the_formulas_of_all_kernels_are_read_but_for_their_prose() -> None:
    for kernel, lines in formulas().items():
        assert lines, f"{kernel} shows no formula"
        for line in lines:
            math = tree(line)
            assert plain(written(math)) == plain(line)
            text = {word for text in math.iter("mtext") for word in (text.text or "").split()}
            assert not text - set(PROSE.split()), f"{kernel}: if this is prose, add it to PROSE: {line}"
            names = {name.text or "" for name in math.iter("mi") if len(name.text or "") > 1}
            assert not names - set(NAMES.split()), f"{kernel}: if these are names, add them: {line}"


def test_a_description_is_taken_apart() -> None:
    description = """A title.

    a = b
      = c

Prose of
two lines.

    d = e
x (n,) -> y (n,)

name : type
    what it is
"""
    assert parts(description) == [
        Part("text", "A title."),
        Part("formula", "a = b"),
        Part("formula", "  = c"),
        Part("text", "Prose of\ntwo lines."),
        Part("formula", "d = e"),
        Part("text", "x (n,) -> y (n,)"),
        Part("text", "name : type\n    what it is"),
    ]
    assert parts("") == parts(" \n\n") == []


@given(st.lists(st.sampled_from(["", " ", "a", "    b", "  c", "        d", "\te"])).map("\n".join))
def test_parts_have_every_line_of_a_description_in_order(description: str) -> None:
    lines = [line for part in parts(description) for line in part.text.split("\n")]
    assert [line.strip() for line in lines] == [
        line.strip() for line in description.splitlines() if line.strip()
    ]
