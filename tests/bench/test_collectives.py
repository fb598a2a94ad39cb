"""The bytes that devices exchange, counted by hand for programs as XLA writes them."""

from xpbench.bench.collectives import library_calls, traffic

PRODUCT = """HloModule jit, num_partitions=8

%body (p: (s32[], f32[8,64])) -> (s32[], f32[8,64]) {
  %all-reduce = f32[64]{0} all-reduce(%x), replica_groups={{0,1,2,3},{4,5,6,7}}, to_apply=%add
}

%unknown (p: (s32[])) -> (s32[]) {
  %permuted = f32[4]{0} collective-permute(%x), channel_id=3, source_target_pairs={{0,1},{1,0},{2,2}}
}

ENTRY %main (param: f32[8,64]) -> f32[8,64] {
  %all-gather = f32[64,64]{1,0} all-gather(%param), replica_groups=mesh['a'=8,'b'=1] {'a'}
  %while.1 = (s32[]) while(%t), condition=%c, body=%body, backend_config={"known_trip_count":{"n":"10"}}
  ROOT %call = f32[4] call(%x), to_apply=%unknown
}
"""


def test_every_operation_counts_as_often_as_it_runs():
    seen = traffic(PRODUCT, 8)
    gathered = 7 * 64 * 64 * 4
    reduced = 10 * 2 * (2 * 3 * 64 * 4)
    permuted = 2 * 4 * 4
    assert seen.total == gathered + reduced + permuted
    assert seen.gathered == (64 * 64 * 4,)
    assert seen.operations == {"all-gather": 1, "all-reduce": 1, "collective-permute": 1}


def test_a_loop_of_unknown_length_makes_the_bytes_unknown_and_says_why():
    endless = PRODUCT.replace('{"known_trip_count":{"n":"10"}}', "{}")
    seen = traffic(endless, 8)
    assert seen.total is None
    assert "loop" in seen.reason


def test_a_program_without_exchange_moves_nothing():
    assert (
        traffic("ENTRY %main (p: f32[4]) -> f32[4] {\n  ROOT %n = f32[4] negate(%p)\n}\n", 8).total == 0
    )


def test_bytes_and_operations_are_told_by_kind_and_as_often_as_they_run():
    seen = traffic(PRODUCT, 8)
    assert seen.performed == {"all-gather": 1, "all-reduce": 10, "collective-permute": 1}
    assert seen.received == {
        "all-gather": 7 * 64 * 64 * 4,
        "all-reduce": 10 * 2 * (2 * 3 * 64 * 4),
        "collective-permute": 2 * 4 * 4,
    }
    assert traffic(PRODUCT.replace('{"known_trip_count":{"n":"10"}}', "{}"), 8).received == {}


def test_calls_of_libraries_are_counted_by_name_and_no_others():
    line = '  %c = f32[4] custom-call(%x), custom_call_target="{}", api_version=API_VERSION_TYPED_FFI\n'
    names = ("lapack_ssyevd_ffi", "lapack_ssyevd_ffi", "blas_strsm_ffi", "Sharding", "TopK")
    program = "".join(line.format(name) for name in names)
    assert library_calls(program) == {"lapack_ssyevd_ffi": 2, "blas_strsm_ffi": 1}
