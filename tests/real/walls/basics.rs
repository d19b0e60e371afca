//! x
use super::bench_of_walls::*;

#[tokio::test]
async fn smoke() {
    let b = Bench::new().await;
    for t in [
        "echo hi; id; pwd; ls -la; cat a.txt; echo y > b.txt; rm a.txt; mkdir d; echo z > d/e",
        "ls -la; mount; ls -la / /dev /tmp $HOME; env; ps ax; cat /proc/self/status | tail -20",
        "which cargo git python; cargo --version; git --version; python --version",
    ] {
        let r = b.sh(t).await;
        println!("{}\n{:?}", r.output, r.outcome);
    }
}
