import pytest

from spacy_llmjudge.transport.addresses import check_address, is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "a.localhost"])
def test_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "0.0.0.0", "example.com"]
)
def test_other_machines(host):
    assert not is_loopback(host)


def test_the_host_of_an_address():
    assert check_address("https://api.example.com/v1", False) == "api.example.com"
    assert check_address("http://[::1]:8080/v1", False) == "::1:8080"
    assert check_address("http://gpu:8000/v1", True) == "gpu:8000"
