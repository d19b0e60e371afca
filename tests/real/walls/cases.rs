//! The catalogue of acts that the walls must stop or let through, as data: what is tried, how it may end, how its effect is seen
//! from outside, and where the same act succeeds. Its lists stand in the files beside; what needs more than a line is a test
//! of its own there or in another suite, and [`index`] knows which. No line of the catalogue may be without a proof.

#[path = "cases/allowed.rs"]
mod allowed;
#[path = "cases/denied.rs"]
mod denied;
#[path = "cases/index.rs"]
mod index;
#[path = "cases/odd.rs"]
mod odd;
#[path = "cases/reach.rs"]
mod reach;
#[path = "cases/rights.rs"]
mod rights;
#[path = "cases/scene.rs"]
mod scene;
#[path = "cases/steering.rs"]
mod steering;
#[path = "cases/weaker.rs"]
mod weaker;

use self::scene::Scene;
use super::bench::soon;

/// An act that must have no effect. `$OUT`, `$SERVER`, `$VICTIM` and the like are filled in, see [`Scene::filled`].
#[derive(Clone, Copy, Debug)]
struct Case {
    /// Its line of the catalogue.
    id: &'static str,
    act: &'static str,
    /// Whether it must fail; else it may succeed on something private.
    fails: bool,
    /// A command whose output shows, without walls, what [`Scene::picture`] does not.
    look: &'static str,
    control: Control,
}

/// Where the same act succeeds: a denial without that would only show that a tool is missing.
#[derive(Clone, Copy, Debug)]
enum Control {
    /// Without walls the same text succeeds, and its effect is seen.
    Seen,
    /// Without walls the same text succeeds; there is nothing to be seen of it.
    Works,
    /// The same for root; to an ordinary user the kernel itself says no.
    WorksForRoot,
    /// Another text, without walls: where the user has the right to it.
    Free(&'static str),
    /// Another text, behind the walls: the same tool on something of the command's own.
    Inside(&'static str),
}

/// Must fail; without walls its effect is seen.
const fn denied(id: &'static str, act: &'static str) -> Case {
    Case { id, act, fails: true, look: "", control: Control::Seen }
}

/// Must fail; without walls it succeeds.
const fn unseen(id: &'static str, act: &'static str) -> Case {
    Case { id, act, fails: true, look: "", control: Control::Works }
}

/// May succeed, on something that nobody else sees.
const fn private(id: &'static str, act: &'static str) -> Case {
    Case { id, act, fails: false, look: "", control: Control::Seen }
}

impl Case {
    const fn looking(self, look: &'static str) -> Case {
        Case { look, ..self }
    }

    const fn control(self, control: Control) -> Case {
        Case { control, ..self }
    }

    /// What does not hold, empty when all does.
    async fn faults(&self, scene: &Scene) -> Vec<String> {
        let mut faults = Vec::new();
        let fault = |what: &str, seen: String| format!("{} `{}`: {what}\n{seen}", self.id, self.act);
        let before = scene.picture(self.look);
        let walled = scene.walled(self.act).await;
        if self.fails && walled.ok() {
            faults.push(fault("succeeds behind the walls", format!("{walled:?}")));
        }
        if let Some(difference) = difference(&before, &scene.picture(self.look)) {
            faults.push(fault("has an effect outside", difference));
        }
        let works = match self.control {
            Control::Inside(text) => scene.walled(text).await.ok(),
            Control::Free(text) => scene.freely(text).ok(),
            Control::WorksForRoot => scene.freely(self.act).ok() == rustix::process::geteuid().is_root(),
            Control::Works => scene.freely(self.act).ok(),
            Control::Seen => {
                let twin = Scene::new();
                let untouched = twin.picture(self.look);
                let free = twin.freely(self.act);
                // A process that was killed takes a moment to end.
                if !soon(|| difference(&untouched, &twin.picture(self.look)).is_some()) {
                    faults.push(fault("has an effect that is not seen, without walls either", free.output.clone()));
                }
                free.ok()
            }
        };
        if !works {
            // Never the act itself where the control is another text: some would end everything on this machine.
            let said = match self.control {
                Control::Inside(text) => scene.walled(text).await.output,
                Control::Free(text) => scene.freely(text).output,
                Control::WorksForRoot | Control::Works | Control::Seen => scene.freely(self.act).output,
            };
            faults.push(fault("has a control that does not work", format!("{:?}: {said}", self.control)));
        }
        faults
    }
}

/// The lines that are not in both.
fn difference(before: &[String], after: &[String]) -> Option<String> {
    let only = |these: &[String], those: &[String], sign: char| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    let lines = [only(before, after, '-'), only(after, before, '+')].concat();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Tries all of them and tells everything that does not hold at once.
async fn hold(cases: &[Case]) {
    let scene = Scene::open(|_, _| {}).await;
    let mut faults = Vec::new();
    for case in cases {
        faults.extend(case.faults(&scene).await);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}
