"""How other programs word what the settings hold wrong, why a certificate was refused, and TLS alerts: patterns by what they mean.

Looked for without regard to case, in this order; alerts in a text whose underscores and capitals were made spaces.
"""

from __future__ import annotations

import re

SETTINGS: tuple[tuple[str, str], ...] = (
    (r"header value must be str or bytes, not .*NoneType|invalid header value.*\bNone\b", "config.secret.empty"),
    (
        r"illegal header value|invalid (leading whitespace|return character|header (value|content))",
        "config.secret.whitespace",
    ),
    (r"\bUnicodeEncodeError\b|codec can't encode character|ERR_INVALID_CHAR", "config.secret.non-ascii"),
    (
        r"//[^\s/\"']*(\$\{|\$?%7B)|\$\{\w+\}.*(resolve|not known|no such host|getaddrinfo)",
        "config.url.unexpanded-variable",
    ),
    (
        (
            r"invalid port|port number was not|"
            r"nonnumeric port|port (could not be cast|out of range)|ERR_SOCKET_BAD_PORT|too many colons in address"
        ),
        "config.url.bad-port",
    ),
    (
        (
            r"is missing an 'https?://'|MissingSchema|no scheme supplied|unsupported protocol scheme \"\"|no protocol:|"
            r"relative URL without a base|ERR_INVALID_URL|"
            r"first path segment in URL cannot contain colon"
        ),
        "config.url.no-scheme",
    ),
    (r"\(77\) |(setting|set|load|loading) certificate verify locations|load_verify_locations", "config.tls.ca-file"),
    (
        (
            r"\b(open|read|stat) \S+\.(key|pem|crt|cer|p12|pfx): |KEY_VALUES_MISMATCH|private key does not match|failed to find any PEM|"
            r"(load|set|use|read) (the )?(PEM )?(client|private) (certificate|key|cert)\b"
        ),
        "config.tls.client-cert",
    ),
    (
        (
            r"unsupported protocol(?! version)|protocol \"\w+\" not supported|InvalidSchema|"
            r"no connection adapters|ERR_INVALID_PROTOCOL"
        ),
        "config.url.bad-scheme",
    ),
)
"""Failures before any request: what the settings hold cannot be used."""

VERIFY: tuple[tuple[str, int], ...] = (  # OpenSSL's x509_vfy.h
    (
        (
            r"(?<!expired or is )not ?(yet ?valid|valid ?yet)|is before [0-9]{4}-|"
            r"CertificateNotYetValid|CERT_NOT_YET_VALID|NotBefore:"
        ),
        9,
    ),
    (
        r"certificate (has )?expired|CERT_HAS_EXPIRED|has expired or is not yet valid|CertificateExpired|certificate: ?expired|NotAfter:",
        10,
    ),
    (
        (
            r"host ?name .*mismatch|(ip address|host ?name) mismatch|certificate is (not )?valid for|doesn't match|"
            r"ALTNAME_INVALID|no (subject )?alternative|no name matching|does not match (target host|certificate)|not valid for name|"
            r"NotValidForName|NameMismatch|"
            r"legacy common name|cannot validate certificate for"
        ),
        62,
    ),
    (r"self[- _]signed certificate(?! in certificate chain)|DEPTH_ZERO_SELF_SIGNED", 18),
    (
        (
            r"unable to get (local )?issuer|unknown authority|PKIX path|unable to find valid certification path|"
            r"SELF_SIGNED_CERT_IN_CHAIN|self[- _]signed certificate in certificate chain|UNABLE_TO_(GET|VERIFY)|unable to verify the first|"
            r"Unknown ?Issuer|Untrusted_?Root|PartialChain|trust ?anchors"
        ),
        20,
    ),
    (
        (
            r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|SSL certificate problem|SSLCertVerification|"
            r"\bx509: |invalid peer certificate|"
            r"failed to (verify|parse) certificate|java\.security\.cert\.|remote certificate (is|was)"
        ),
        1,
    ),
)
ALERTS: tuple[tuple[str, str], ...] = (
    (r"alert:? certificate required|tls: certificate required", "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
    (r"(alert:?|error: tls:) unknown (ca|certificate authority)", "TLSV1_ALERT_UNKNOWN_CA"),
    (r"(alert:?|error: tls:) (bad certificate)", "SSLV3_ALERT_BAD_CERTIFICATE"),
    (r"(alert:?|error: tls:) (unknown certificate|certificate unknown)", "SSLV3_ALERT_CERTIFICATE_UNKNOWN"),
    (r"(alert:?|error: tls:) (expired certificate|certificate expired)", "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
    (
        r"alert:? protocol version|protocol version not supported|unsupported protocol version|EPROTO.*version",
        "TLSV1_ALERT_PROTOCOL_VERSION",
    ),
    (
        (
            r"first record does not look like a TLS handshake|not an SSL/TLS record|plaintext connection\?|wrong version number|"
            r"server gave HTTP response to HTTPS client|packet length too long|record layer failure|"
            r"unrecognized SSL message|corrupt message of type invalid ?content ?type|determine the frame size"
        ),
        "WRONG_VERSION_NUMBER",
    ),
    (r"handshake failure", "SSLV3_ALERT_HANDSHAKE_FAILURE"),
)
HANDSHAKE = re.compile(
    r"(?:(?:remote|local) error: tls: |received fatal alert:? |tls alert\b|gnutls handshake|\bsec e |mbed ?tls: |"
    r"ssl routines:[\w ]*:|\berr ssl |ssl ?handshake ?exception: |"
    r"\bno shared cipher|ssl alert number|handshake (?:failed|exception):?|\[ssl\] )(?P<why>[a-z][a-z0-9 ]{3,60})?",
    re.IGNORECASE,
)
"""Any alert or refusal in the form that a library of TLS gives it, and its words; looked for when no other pattern fits."""
REFUSED = re.compile(
    r"(?:x509: (?:certificate )?|invalid peer certificate: |certificate verify failed: |SSL certificate problem: |"
    r"Certificate\w*Exception: )(?P<why>[^\n:;]{3,90})",
    re.IGNORECASE,
)
"""Why a certificate does not pass, in a library's own words."""
PEER = re.compile(
    r"->(?P<to>[\w.\[\]:-]+:\d{1,5})\b|\bdial (?:tcp|udp)\d? (?P<dialled>[\w.\[\]:-]+:\d{1,5})|"
    r"\bhost='(?P<host>[\w.-]+)', port=(?P<port>\d{1,5})|"
    r"\b(?:post|get|put|head|url|to|on|from|of|request)\b[\s:=\"'(]{0,4}(?P<url>https?://(?:[^\s/@'\"]*@)?[\w.\[\]:-]+)|"
    r"\b(?:E[A-Z]{4,}|connect(?:ing|ed)? to(?: host)?|host) (?P<named>[\w.-]+:\d{1,5})\b",
    re.IGNORECASE,
)
"""Whom a log names as the other side."""
NAME = re.compile(
    r"(?:\blookup(?! address\b)|ENOTFOUND|EAI_AGAIN|resolve(?: host)?:?|UnknownHostException:|query[A-Z]\w* E[A-Z]+) '?"
    r"(?P<name>[a-z][\w.-]*)",
    re.IGNORECASE,
)
"""The name that a log says does not resolve."""
