//! What a turn costs beside the model: from the end of its answer to the next request, over HTTP on loopback, tool by tool; and
//! how soon the first request is there.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    figures::{Samples, number, times},
    model::Model,
    on_one_thread,
    place::{Place, binary},
    server::Server,
    session::{answer, calls, place},
};

const ROUNDS: usize = 40;
const COLD: usize = 20;
const KEY: (&str, &str) = ("ANTHROPIC_API_KEY", "sk-bench-0123456789");
const SPEC: &str = "anthropic:bench-1";

pub fn measure() {
    let place = place();
    let model = Model::start();
    let variables = [KEY, ("ANTHROPIC_BASE_URL", model.url.as_str())];
    sessions(&place, &model, &variables);
    rich_request(&place, &model, &variables);
    cold_server(&place, &model, &variables);
    cold_terminal(&place, &model, &variables);
}

/// The script of 21 turns, again and again in one warm server.
fn sessions(place: &Place, model: &Model, variables: &[(&str, &str)]) {
    let script = calls();
    // The policy's 20 iterations and the uncounted last request make 21 turns.
    let answers: Vec<_> = script.iter().enumerate().map(|(n, call)| answer(n, call)).collect();
    let mut tools: BTreeMap<&str, Samples> = BTreeMap::new();
    let (mut own, mut warm) = (Samples::default(), Samples::default());
    let mut sizes = (0, 0);
    on_one_thread(async {
        let mut server = Server::spawn(place, &["--model", SPEC], variables);
        server.initialize().await;
        for round in 0..ROUNDS {
            model.script(answers.clone());
            let asked = Instant::now();
            server.ask("Do it all.").await;
            server.closing().await;
            let exchanges = model.exchanges(script.len());
            sizes = (exchanges[0].bytes, (exchanges[20].bytes - exchanges[0].bytes) / 20);
            if round > 0 {
                warm.add(exchanges[0].came - asked);
            }
            for (call, pair) in script.iter().zip(exchanges.windows(2)) {
                let Some((name, _)) = call else { continue };
                let took = pair[1].came - pair[0].sent;
                tools.entry(name).or_default().add(took);
                if *name != "run" {
                    own.add(took);
                }
            }
            server.peer.command("reject", serde_json::json!({"proposal": format!("p{}", round + 1)})).await.ok();
            server.settle();
        }
        server.leave().await;
    });
    times("turn with an in-process tool: answer -> next request", &own, Some(3.0));
    for (name, samples) in &tools {
        times(&format!("  {name}"), samples, (*name == "run").then_some(6.0));
    }
    number("bytes of the first request, plain client", sizes.0 as f64, "B", Some(16_000.0));
    number("growth of the request a turn", sizes.1 as f64, "B", None);
    times("command to a warm server -> first model request", &warm, Some(5.0));
}

/// The first request for a client that can be asked what its language servers know: every tool is declared.
fn rich_request(place: &Place, model: &Model, variables: &[(&str, &str)]) {
    model.script(vec![answer(0, &None)]);
    let bytes = on_one_thread(async {
        let mut server = Server::spawn(place, &["--model", SPEC], variables);
        server.initialize_rich().await;
        server.ask("Do it all.").await;
        server.until(|method, params| method == "countersign/update" && params["state"] == "ended").await;
        server.leave().await;
        model.exchanges(1)[0].bytes
    });
    number("bytes of the first request, rich client", bytes as f64, "B", Some(16_000.0));
}

/// An editor starts the server and asks at once.
fn cold_server(place: &Place, model: &Model, variables: &[(&str, &str)]) {
    let mut cold = Samples::default();
    on_one_thread(async {
        for _ in 0..COLD {
            model.script(vec![answer(0, &None)]);
            let start = Instant::now();
            let mut server = Server::spawn(place, &["--model", SPEC], variables);
            server.initialize().await;
            server.ask("What is this?").await;
            server.closing().await;
            cold.add(model.exchanges(1)[0].came - start);
            server.leave().await;
        }
    });
    times("spawn `lsp`, initialize, ask -> first model request", &cold, Some(40.0));
}

/// `countersign ask` in a terminal.
fn cold_terminal(place: &Place, model: &Model, variables: &[(&str, &str)]) {
    let (mut cold, mut whole) = (Samples::default(), Samples::default());
    for _ in 0..COLD {
        model.script(vec![answer(0, &None)]);
        let mut command = std::process::Command::new(binary());
        place.environ(&mut command);
        command.args(["ask", "--model", SPEC, "--accept", "none", "-w"]).arg(place.folder()).arg("What is this?");
        command.envs(variables.iter().copied());
        let start = Instant::now();
        let output = command.output().unwrap();
        let took: Duration = start.elapsed();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        cold.add(model.exchanges(1)[0].came - start);
        whole.add(took);
    }
    times("spawn `ask` -> first model request", &cold, Some(40.0));
    times("  to the end of the process, one turn", &whole, None);
}
