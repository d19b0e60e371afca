//! Real projects with their real tools, and caches that stay warm: after a change of one unsaved text only that is done anew.

use super::bench::*;

const ALL_SORTS: &str = r"
import asyncio, multiprocessing, socket

def square(n):
    return n * n

def test_pool():
    with multiprocessing.get_context('forkserver').Pool(2) as pool:
        assert pool.map(square, [1, 2, 3]) == [1, 4, 9]

def test_server():
    async def story():
        async def answer(reader, writer):
            writer.write(b'got ' + await reader.readline())
            await writer.drain()
            writer.close()
        server = await asyncio.start_server(answer, '127.0.0.1', 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection('127.0.0.1', port)
            writer.write(b'it\n')
            said = await reader.read()
            writer.close()
            return said
    assert asyncio.run(story()) == b'got it\n'

def test_unix_server(tmp_path):
    async def story():
        path = str(tmp_path / 's')
        async with await asyncio.start_unix_server(lambda r, w: w.close(), path):
            reader, writer = await asyncio.open_unix_connection(path)
            assert await reader.read() == b''
            writer.close()
    asyncio.run(story())

def test_datagrams():
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.bind(('127.0.0.1', 0))
        one.sendto(b'x', one.getsockname())
        assert one.recv(9) == b'x'
";

#[tokio::test]
async fn pytest_with_workers_servers_and_a_warm_cache() {
    let bench = Bench::with(|root, _| {
        put(root, "w/test_all.py", ALL_SORTS);
        put(root, "w/sums.py", "def add(a, b):\n    return a - b\n");
        // Python takes a text of the same length and second for the same.
        let earlier = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        std::fs::File::options().write(true).open(root.join("w/sums.py")).unwrap().set_modified(earlier).unwrap();
        put(
            root,
            "w/test_sums.py",
            "import sums\ndef test_add():\n    assert sums.add(1, 2) == 3\ndef test_none():\n    assert sums.add(0, 0) == 0\n",
        );
    })
    .await;
    let all = bench.sh("/usr/bin/python3 -m pytest -n 2 -q 2>&1").await;
    assert!(!all.ok() && all.output.contains("1 failed, 5 passed"), "{all:?}");
    let stamp = "stat -c '%n %y' __pycache__/*.pyc | grep test_all";
    let compiled = bench.must(stamp).await;
    // The cache of failures, and the compiled texts that did not change.
    let mended = shadow([typed("sums.py", "def add(a, b):\n    return a + b\n")]);
    let again = bench.with_shadow("/usr/bin/python3 -m pytest --last-failed -q 2>&1", &mended).await;
    assert!(again.ok() && again.output.contains("1 passed"), "{again:?}");
    assert_eq!(bench.must(stamp).await, compiled);
    assert!(!bench.path("w/.pytest_cache").exists() && !bench.path("w/__pycache__").exists());
}

#[tokio::test]
async fn make_compiles_only_what_changed() {
    let bench = Bench::with(|root, _| {
        put(root, "w/main.c", "#include <stdio.h>\nint two(void);\nint main(void) { printf(\"%d\\n\", two()); return 0; }\n");
        put(root, "w/two.c", "int two(void) { return 2; }\n");
        put(root, "w/Makefile", "all: main.o two.o\n\tgcc -o all main.o two.o\n%.o: %.c\n\tgcc -c -o $@ $<\n");
    })
    .await;
    let built = bench.must("make -j2 && ./all").await;
    assert!(built.contains("gcc -c -o main.o") && built.contains("gcc -c -o two.o") && built.ends_with("2\n"), "{built}");
    assert!(bench.must("make -j2").await.contains("up to date") || !bench.must("make").await.contains("gcc -c"));
    let edited = shadow([typed("two.c", "int two(void) { return 3; }\n")]);
    let again = bench.with_shadow("make -j2 && ./all", &edited).await;
    assert!(again.ok() && again.output.ends_with("3\n"), "{again:?}");
    assert!(again.output.contains("gcc -c -o two.o") && !again.output.contains("gcc -c -o main.o"), "{again:?}");
}
