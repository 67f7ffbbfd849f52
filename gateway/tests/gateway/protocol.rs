//! What no reader may read in two ways, as data.

use crate::harness::{Gateway, assert_id, for_h2, get, send_h2, status_of};
use http::{Request, Version};

/// A case: its name with the rule, the bytes, the status of the one answer (0: closed without one), and how many workers run.
type Case = (&'static str, String, u16, u64);

fn cases() -> Vec<Case> {
    let host = "Host: hello.localhost\r\n";
    let get = |fields: &str| format!("GET /x HTTP/1.1\r\n{fields}Connection: close\r\n\r\n");
    let post = |fields: &str, body: &str| format!("POST /x HTTP/1.1\r\n{host}{fields}\r\n{body}");
    vec![
        ("an ordinary request", get(host), 200, 1),
        // Host
        ("RFC 9112 3.2: no Host is a 400", get(""), 400, 0),
        (
            "RFC 9112 3.2: two Hosts are a 400",
            get(&format!("{host}Host: other.localhost\r\n")),
            400,
            0,
        ),
        ("RFC 9112 3.2: two equal Hosts are a 400", get(&format!("{host}{host}")), 400, 0),
        ("RFC 9110 7.2: a Host that is none", get("Host: hello.localhost evil\r\n"), 400, 0),
        ("RFC 9110 4.2.4: user information", get("Host: a@hello.localhost\r\n"), 400, 0),
        (
            "an absolute target and its Host",
            format!("GET http://hello.localhost/x HTTP/1.1\r\n{host}Connection: close\r\n\r\n"),
            200,
            1,
        ),
        (
            "an absolute target and another Host",
            format!("GET http://echo.localhost/x HTTP/1.1\r\n{host}Connection: close\r\n\r\n"),
            400,
            0,
        ),
        // Framing
        (
            "RFC 9112 6.3: with TE and CL the connection ends after one answer",
            post(
                "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: hello.localhost\r\n\r\n",
            ),
            200,
            1,
        ),
        (
            "RFC 9112 6.3: the same with TE first",
            post(
                "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
                "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: hello.localhost\r\n\r\n",
            ),
            200,
            1,
        ),
        (
            "RFC 9112 6.3: differing lengths are a 400",
            post("Content-Length: 1\r\nContent-Length: 2\r\n", "ab"),
            400,
            0,
        ),
        ("RFC 9110 8.6: a length is digits", post("Content-Length: +1\r\n", "a"), 400, 0),
        (
            "RFC 9110 8.6: a length is not negative",
            post("Content-Length: -1\r\n", "a"),
            400,
            0,
        ),
        (
            "RFC 9112 6.1: chunked must be last",
            post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
            400,
            0,
        ),
        (
            "RFC 9112 6.1: an unknown coding",
            post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
            400,
            0,
        ),
        (
            "RFC 9112 6.1: no TE in HTTP/1.0",
            format!("POST / HTTP/1.0\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
            0,
        ),
        // Fields and targets
        ("RFC 9112 5.1: no space before the colon", get(&format!("{host}X : y\r\n")), 400, 0),
        ("RFC 9112 5.2: no folded lines", get(&format!("{host}X: y\r\n z\r\n")), 400, 0),
        ("RFC 9110 5.5: no NUL in a value", get(&format!("{host}X: a\0b\r\n")), 400, 0),
        (
            "RFC 9110 9.3.6: no tunnels",
            "CONNECT hello.localhost:443 HTTP/1.1\r\nHost: hello.localhost:443\r\nConnection: close\r\n\r\n".into(),
            400,
            0,
        ),
        (
            "RFC 9112 3.2.4: the server as a whole",
            format!("OPTIONS * HTTP/1.1\r\n{host}Connection: close\r\n\r\n"),
            400,
            0,
        ),
        (
            "a target over 8 KiB",
            format!("GET /{} HTTP/1.1\r\n{host}Connection: close\r\n\r\n", "x".repeat(9000)),
            414,
            0,
        ),
        (
            "a target that hyper itself refuses",
            format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(70_000)),
            414,
            0,
        ),
        (
            "over 32 KiB of fields",
            get(&format!("{host}X: {}\r\n", "y".repeat(40_000))),
            431,
            0,
        ),
        ("over a hundred fields", get(&format!("{host}{}", "X: y\r\n".repeat(120))), 431, 0),
        (
            "a head without end",
            format!("GET / HTTP/1.1\r\n{host}X: {}", "y".repeat(200_000)),
            431,
            0,
        ),
        // Routing
        ("an unknown host", get("Host: nobody.example\r\n"), 404, 0),
        (
            "a host that only looks like ours",
            get("Host: hello.localhost.evil.example\r\n"),
            404,
            0,
        ),
        (
            "case, port and trailing dot do not count",
            get("Host: HELLO.localhost.:80\r\n"),
            200,
            1,
        ),
    ]
}

#[tokio::test]
async fn every_case_has_one_answer_over_http_1() {
    let gateway = Gateway::of(&["hello"]).await;
    let mut wrong = Vec::new();
    for (name, bytes, status, workers) in cases() {
        let before = gateway.calls().await;
        let text = gateway.raw(bytes.as_bytes()).await;
        let (answers, calls) = (text.matches("HTTP/1.").count(), gateway.calls().await - before);
        let id = text.to_lowercase().contains("\r\nx-request-id: ");
        if (status_of(&text), answers, calls, id) != (status, 1, workers, true) {
            wrong.push(format!("{name}: {answers} answers, {calls} workers, id: {id}: {:.120}", text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_http_2_can_say_wrong_is_refused_too() {
    let gateway = Gateway::of(&["hello"]).await;
    let plain = || Request::get("http://hello.localhost/x").version(Version::HTTP_2);
    let big = "y".repeat(40_000);
    let mut many = plain();
    for _ in 0..120 {
        many = many.header("x", "y");
    }
    for (name, request, status, workers) in [
        ("an ordinary request", plain(), 200, 1),
        (
            "RFC 9113 8.3.1: a Host that contradicts :authority",
            plain().header("host", "echo.localhost"),
            400,
            0,
        ),
        ("the same Host", plain().header("host", "hello.localhost"), 200, 1),
        (
            "an unknown host",
            Request::get("http://nobody.example/").version(Version::HTTP_2),
            404,
            0,
        ),
        ("over 32 KiB of fields", plain().header("x", &big), 431, 0),
        ("over a hundred fields", many, 431, 0),
        (
            "a target over 8 KiB",
            Request::get(format!("http://hello.localhost/{}", "x".repeat(9000))).version(Version::HTTP_2),
            414,
            0,
        ),
    ] {
        let before = gateway.calls().await;
        let answer = send_h2(gateway.connect().await, request.body(String::new()).unwrap()).await;
        assert_eq!((answer.status, gateway.calls().await - before), (status, workers), "{name}");
        assert_id(&answer);
    }
}

#[tokio::test]
async fn a_path_is_matched_and_passed_on_as_its_bytes_stand() {
    let gateway = Gateway::of(&["echo"]).await;
    for path in ["/a/../b", "//a", "/a%2fb", "/a/./b/", "/%00", "/a;b=c?d=%zz&e"] {
        for h2 in [false, true] {
            let request = get("echo.localhost", path);
            let answer = if h2 {
                send_h2(gateway.connect().await, for_h2(request, "http")).await
            } else {
                gateway.send(request).await
            };
            assert_eq!((answer.status, answer.json()["path"].as_str().unwrap()), (200, path), "h2: {h2}");
        }
    }
    // None of these is the endpoint.
    for path in [
        "/slack/echox",
        "/SLACK/echo",
        "/slack//echo",
        "//slack/echo",
        "/x/../slack/echo",
        "/slack%2fecho",
    ] {
        let answer = gateway
            .send(Request::post(path).header("host", "acme.localhost").body(String::new()).unwrap())
            .await;
        assert_eq!(answer.status, 404, "{path}");
    }
    for path in ["/slack/echo", "/slack/echo/", "/slack/echo/x?y"] {
        let answer = gateway
            .send(Request::post(path).header("host", "acme.localhost").body(String::new()).unwrap())
            .await;
        assert_eq!(answer.status, 401, "{path}");
    }
}
