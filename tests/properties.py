"""How many examples a property is tried on: few, always the same, in `make test`; many, others each time, in `make test-slow`."""

from hypothesis import HealthCheck, Phase, settings

# How long an example takes says nothing of the code: machines are slow and busy.
_common = dict(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
# Few examples are not made smaller where one fails, which would take longer than all of them.
settings.register_profile("few", max_examples=10, derandomize=True, phases=[Phase.explicit, Phase.generate], **_common)
settings.register_profile("many", max_examples=100, print_blob=True, **_common)
settings.load_profile("few")  # pytest's --hypothesis-profile takes precedence


def many():
    """Tells whether this is a run of the slow tests."""
    return settings.get_current_profile_name() == "many"


def examples(few):
    """Tries a property on so many examples, where an example costs more or less than most; on ten times as many in slow tests.

    The first example is the smallest that there is, so that a property needs two.
    """
    return settings(max_examples=10 * few if many() else few)
