"""Any JSON, with keys that a reader looks for."""

from hypothesis import strategies as st


def any_json(*names):
    """RETURNS (SearchStrategy): JSON whose objects have some of these keys."""
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=4)
        ),
        max_leaves=12,
    )
