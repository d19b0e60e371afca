//! What the proxy reads: requests, TLS hellos, addresses. Each parser meets what it must take, what it must refuse, and noise.

use std::{net::IpAddr, sync::Arc};

use countersign::sandbox::net::{
    address::not_public,
    head::{self, Asked},
    hello::{self, Hello},
};
use proptest::prelude::*;

/// A hello as a client may write it: these names in one list, these further extensions, in records of at most `record` bytes.
fn hello_of(names: Option<&[&str]>, extensions: &[(u16, Vec<u8>)], record: usize) -> Vec<u8> {
    let long = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let mut all = Vec::new();
    if let Some(names) = names {
        let list: Vec<u8> = names.iter().flat_map(|name| [vec![0], long(name.as_bytes())].concat()).collect();
        all.extend([0u16.to_be_bytes().to_vec(), long(&long(&list))].concat());
    }
    for (kind, data) in extensions {
        all.extend([kind.to_be_bytes().to_vec(), long(data)].concat());
    }
    let body = [vec![3, 3], vec![7; 32], vec![0], long(&[0x13, 1]), vec![1, 0], long(&all)].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[1, length[1], length[2], length[3]], body.as_slice()].concat();
    message.chunks(record).flat_map(|part| [vec![22, 3, 1], long(part)].concat()).collect()
}

fn whole(name: &str) -> Hello {
    Hello::Whole { name: Some(name.to_owned()), encrypted: false }
}

#[test]
fn a_hello_names_its_host_however_it_is_cut() {
    for record in [1, 5, 40, 16_384] {
        let bytes = hello_of(Some(&["Tls.Test"]), &[(43, vec![2, 3, 4])], record);
        assert_eq!(hello::read(&bytes), whole("tls.test"), "records of {record}");
        // What follows the hello in another record is the server's business.
        assert_eq!(hello::read(&[bytes.as_slice(), &[23, 3, 3, 0, 1, 0]].concat()), whole("tls.test"));
        for cut in 0..bytes.len() {
            assert_eq!(hello::read(&bytes[..cut]), Hello::Partial, "{cut} bytes of records of {record}");
        }
    }
    assert_eq!(hello::read(&hello_of(None, &[], 400)), Hello::Whole { name: None, encrypted: false });
    for kind in [0xfe0d, 0xffce] {
        let Hello::Whole { encrypted: true, .. } = hello::read(&hello_of(Some(&["a.test"]), &[(kind, vec![1])], 400)) else {
            panic!("an encrypted hello was not seen")
        };
    }
}

#[test]
fn a_hello_that_could_mean_two_things_is_none() {
    let other = |bytes: &[u8]| matches!(hello::read(bytes), Hello::Other(_));
    assert!(other(&hello_of(Some(&["a.test", "b.test"]), &[], 400)), "two names");
    assert!(other(&hello_of(Some(&["a.test"]), &[(0, b"\0\x09\0\0\x06b.test".to_vec())], 400)), "two lists");
    assert!(other(&hello_of(Some(&[]), &[], 400)) && other(&hello_of(Some(&[""]), &[], 400)), "no name in the list");
    assert!(other(&hello_of(Some(&["ä.test"]), &[], 400)), "a name beyond ASCII");
    let mut more = hello_of(Some(&["a.test"]), &[], 400);
    let length = more.len();
    more.push(0);
    more[4] += 1;
    assert!(other(&more), "bytes after the message in its record");
    assert!(matches!(hello::read(&more[..length]), Hello::Partial));
    for clear in [&b"GET / HTTP/1.1\r\n"[..], b"SSH-2.0-x\r\n", b"\x16\x02\0\0", b"\x17\x03\x03\0\x01x", b"\x16\x03\x01\0\0"] {
        assert!(other(clear), "{clear:?}");
    }
    assert!(other(&[&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[0; 20_000]].concat()), "a length beyond every bound");
}

fn client_hello(name: &'static str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The name that a real server reads, if it takes the hello.
fn as_servers_read(bytes: &[u8]) -> Option<Option<String>> {
    let mut acceptor = rustls::server::Acceptor::default();
    acceptor.read_tls(&mut &*bytes).ok()?;
    let accepted = acceptor.accept().ok()??;
    Some(accepted.client_hello().server_name().map(str::to_owned))
}

#[test]
fn a_real_client_is_read_as_a_real_server_reads_it() {
    let bytes = client_hello("real.test");
    assert_eq!(hello::read(&bytes), whole("real.test"));
    assert_eq!(as_servers_read(&bytes), Some(Some("real.test".into())));
    assert_eq!(hello::read(&client_hello("192.0.2.1")), Hello::Whole { name: None, encrypted: false });
}

proptest! {
    #[test]
    fn noise_is_no_hello_and_nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Hello::Whole { name: Some(name), .. } = hello::read(&bytes) {
            prop_assert!(bytes.to_ascii_lowercase().windows(name.len()).any(|part| part == name.as_bytes()));
        }
    }

    #[test]
    fn a_damaged_hello_never_hides_a_name_from_us_that_a_server_reads(at in 0usize..400, to in any::<u8>(), cut in 0usize..40) {
        let mut bytes = client_hello("real.test");
        let at = at % bytes.len();
        bytes[at] = to;
        bytes.truncate(bytes.len() - cut % 3);
        if let (Hello::Whole { name, .. }, Some(read)) = (hello::read(&bytes), as_servers_read(&bytes)) {
            // Servers may take a name for none where it is no DNS name; never for another.
            prop_assert!(read.is_none() || read == name, "{read:?} {name:?}");
        }
    }

    #[test]
    fn any_bytes_are_a_request_a_refusal_or_a_beginning(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        check_request(&bytes);
    }

    #[test]
    fn what_is_passed_on_is_one_request_to_the_judged_host(
        method in "(GET|HEAD|POST|CONNECT|[A-Z]{1,6})",
        scheme in "(http://|HTTP://|https://|)",
        authority in "(open\\.test|open\\.test:80|OPEN\\.test:8080|\\[::1\\]:22|u@open\\.test|[a-z0-9.:@%_-]{0,20})",
        path in "[ -~]{0,20}",
        headers in proptest::collection::vec(
            ("(Host|Connection|Content-Length|Transfer-Encoding|X-A|Proxy-Connection|Te|[!-~]{1,8})", "([0-9]{1,4}|content-length|[ -~\t\r\n]{0,20})"), 0..6),
        end in "(\r\n|\n|\r)",
    ) {
        let mut request = format!("{method} {scheme}{authority}{path} HTTP/1.1{end}");
        for (name, value) in &headers {
            request += &format!("{name}: {value}{end}");
        }
        request += &end;
        check_request(request.as_bytes());
    }
}

/// The laws of every request that is understood.
fn check_request(bytes: &[u8]) {
    let Ok(Some(request)) = head::read(bytes) else { return };
    assert!(request.length <= bytes.len());
    assert!(countersign::policy::host_and_port(&request.target).is_some(), "{:?}", request.target);
    let Asked::Plain { head, method, body } = &request.asked else { return };
    let mut headers = [httparse::EMPTY_HEADER; 120];
    let mut again = httparse::Request::new(&mut headers);
    let length = again.parse(head).unwrap();
    assert_eq!(length, httparse::Status::Complete(head.len()), "{}", String::from_utf8_lossy(head));
    assert_eq!(again.method, Some(method.as_str()));
    assert!(again.path.unwrap().starts_with('/'));
    let named = |name: &str| again.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name)).count();
    assert_eq!((named("host"), named("connection"), named("transfer-encoding")), (1, 1, 0));
    // As many bytes follow as the server is told.
    let lengths = again.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-length"));
    let lengths: Vec<u64> = lengths.map(|header| std::str::from_utf8(header.value).unwrap().parse().unwrap()).collect();
    assert!(lengths == [*body] || lengths.is_empty() && *body == 0, "{lengths:?} {body}");
    let host = again.headers.iter().find(|header| header.name == "Host").unwrap().value;
    let host = std::str::from_utf8(host).unwrap();
    assert!(host == request.target || format!("{host}:80") == request.target, "{host} {}", request.target);
}

#[test]
fn the_target_is_what_the_policy_would_write() {
    let target = |head: &str| head::read(head.as_bytes()).map(|request| request.map(|request| request.target));
    assert_eq!(target("CONNECT a.test:443 HTTP/1.1\r\n\r\n"), Ok(Some("a.test:443".into())));
    assert_eq!(target("GET http://A.test/x HTTP/1.1\r\nHost: a.TEST:80\r\n\r\n"), Ok(Some("a.test:80".into())));
    assert_eq!(target("GET http://[::1]:8/ HTTP/1.0\r\n\r\n"), Ok(Some("[::1]:8".into())));
    assert_eq!(target("GET http://a.test?q HTTP/1.0\r\n\r\n"), Ok(Some("a.test:80".into())));
    assert_eq!(target("GET http://a.test/"), Ok(None));
    for bad in [
        "CONNECT a.test HTTP/1.1\r\n\r\n",
        "CONNECT http://a.test:443 HTTP/1.1\r\n\r\n",
        "CONNECT a.test:443/x HTTP/1.1\r\n\r\n",
        "CONNECT a.test.:443 HTTP/1.1\r\n\r\n",
        "CONNECT 0x7f.1:443 HTTP/1.1\r\n\r\n",
        "CONNECT [::ffff:127.0.0.1:443 HTTP/1.1\r\n\r\n",
        "GET http://a.test\\@b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET http://a.test/#b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n",
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1, 2\r\n\r\n",
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n folded: x\r\n\r\n",
    ] {
        let refused = head::read(bad.as_bytes()).expect_err(bad);
        assert!((400..500).contains(&refused.status), "{bad}: {refused:?}");
    }
}

/// Bytes that the server was not told to be a body would be a second request to it, with a method of the command's choice.
#[test]
fn no_header_takes_the_length_of_the_body_away() {
    for connection in ["content-length", "close, Content-Length", "x\r\nconnection: CONTENT-LENGTH"] {
        check_request(
            format!("POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: {connection}\r\nContent-Length: 007\r\n\r\n")
                .as_bytes(),
        );
    }
}

#[test]
fn what_is_shown_of_a_hostile_target_is_short_and_visible() {
    for text in ["\u{1b}[31m", "a\r\nb", "ü\u{202e}x", &"x".repeat(10_000), &"\u{0}".repeat(1000)] {
        let shown = head::shown(text);
        assert!(shown.len() <= 300 && shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown}");
    }
}

#[test]
fn only_public_addresses_are_public() {
    for public in
        ["1.1.1.1", "8.8.8.8", "100.63.0.1", "100.128.0.1", "172.32.0.1", "192.0.1.1", "223.255.255.255", "168.63.129.17"]
    {
        assert_eq!(not_public(public.parse().unwrap()), None, "{public}");
    }
    for public in ["2606:4700::1111", "2001:4860:4860::8888", "2a00::1", "64:ff9b::808:808"] {
        assert_eq!(not_public(public.parse().unwrap()), None, "{public}");
    }
    for closed in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
    ] {
        assert!(not_public(closed.parse().unwrap()).is_some(), "{closed}");
    }
}

proptest! {
    #[test]
    fn what_the_standard_library_calls_special_is_closed(bits in any::<u32>()) {
        let address = std::net::Ipv4Addr::from(bits);
        let special = address.is_private() || address.is_loopback() || address.is_link_local() || address.is_multicast()
            || address.is_broadcast() || address.is_documentation() || address.is_unspecified();
        prop_assert!(!special || not_public(IpAddr::V4(address)).is_some());
        prop_assert!(not_public(IpAddr::V6(address.to_ipv6_mapped())).is_some());
    }
}
