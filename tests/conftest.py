"""What all tests share: property tests that are not timed, because many run beside each other on few cores."""

from hypothesis import HealthCheck, settings

settings.register_profile("dothi", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dothi")
