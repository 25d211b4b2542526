/* certificate.h - a self-signed certificate for a TLS server of the tests */
#ifndef ORB_TESTS_CERTIFICATE_H
#define ORB_TESTS_CERTIFICATE_H

/* Writes both files; `names` as in subjectAltName: "DNS:a.test,IP:127.0.0.1". days < 0: expired. */
void certificate_make(const char *certificate_pem, const char *key_pem, const char *names, int days);

#endif
