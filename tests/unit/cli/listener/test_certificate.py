"""Self-signed certificates."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from callstream_cli.listener.certificate import self_signed


class TestCertificate:
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
    def test_certificate_is_for_its_host_and_valid_now(self, host: str) -> None:
        made = self_signed(host)
        certificate = x509.load_pem_x509_certificate(made.pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

        assert [str(name.value) for name in names] == [host]
        now = datetime.now(UTC)
        assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc
        certificate.verify_directly_issued_by(certificate)
        made.server_context()

    def test_certificate_may_have_expired(self) -> None:
        certificate = x509.load_pem_x509_certificate(self_signed("::1", timedelta(days=-1)).pem)

        assert certificate.not_valid_after_utc < datetime.now(UTC)
        assert certificate.not_valid_before_utc < certificate.not_valid_after_utc

    def test_key_is_not_shown(self) -> None:
        assert "PRIVATE" not in repr(self_signed("localhost"))
