"""The heads that the micro benchmarks read and write."""

SMALL = b"GET /watch/42?from=feed HTTP/1.1\r\nHost: 127.0.0.1:18080\r\n\r\n"
"""The request of wrk."""

_COOKIE = b"; ".join(b"key%02d=%b" % (number, b"v" * 43) for number in range(20))

BROWSER = (
    b"GET /watch/42?from=feed HTTP/1.1\r\n"
    b"Host: www.example.com\r\n"
    b"Connection: keep-alive\r\n"
    b"Cache-Control: max-age=0\r\n"
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/140.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Referer: https://www.example.com/feed\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-GB,en;q=0.9\r\n"
    b"Cookie: " + _COOKIE + b"\r\n\r\n"
)
"""A request with thirteen fields, including 1 kB of cookies."""

RESPONSE = (
    b"HTTP/1.1 200 OK\r\n"
    b"Server: nginx/1.22.1\r\n"
    b"Date: Sun, 22 Nov 2026 20:00:00 GMT\r\n"
    b"Content-Type: text/plain\r\n"
    b"Content-Length: 14\r\n"
    b"Connection: keep-alive\r\n\r\n"
    b"a small answer"
)
"""The response of the app in the macro benchmarks."""
