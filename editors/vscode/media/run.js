// The page of the run view. Everything from outside goes through textContent: nothing here can become markup.
// @ts-check
(() => {
  // @ts-expect-error the editor provides it
  const editor = acquireVsCodeApi();
  const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const entries = at("entries");
  const box = /** @type {HTMLTextAreaElement} */ (at("box"));
  /** @type {Map<number, HTMLElement>} */
  const shown = new Map();
  /** The end of the log is kept in view until the user scrolls away from it. */
  let stuck = true;
  let over = true;
  let any = false;
  /** What was sent and neither taken nor refused yet. */
  let sending = "";

  /** @param {string} tag @param {string} name @param {string} [text] */
  function make(tag, name, text) {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  /** @param {HTMLElement} node @param {string} label @param {string} key */
  function label(node, label, key) {
    node.replaceChildren(label, make("kbd", "", key));
  }

  /** @param {any} entry @param {HTMLElement | undefined} before */
  function draw(entry, before) {
    switch (entry.kind) {
      case "tool": {
        const node = make("details", "entry tool");
        const head = make("summary", "");
        head.append(make("span", "name", entry.title), make("span", `status ${entry.status}`, entry.status));
        // Not behind a click: why it was refused is for the user.
        if (entry.refused) head.append(make("span", "refused", entry.refused));
        node.append(head);
        const said = entry.output || entry.result;
        if (said) node.append(make("pre", "", said));
        // Live output is open until its command ends; what the user opened or closed stays so.
        const was = before instanceof HTMLDetailsElement ? before : undefined;
        const live = entry.status === "running" && entry.output !== "";
        const touched = was?.dataset.touched;
        /** @type {HTMLDetailsElement} */ (node).open = touched ? was?.open === true : live;
        if (touched) node.dataset.touched = touched;
        head.addEventListener("click", () => { node.dataset.touched = "yes"; });
        return node;
      }
      case "said": {
        const node = make("div", "entry said", entry.text);
        const words = entry.how === "unsent" ? "not sent" : entry.seen ? "sent → seen" : "sent, seen at the next step";
        node.append(make("span", `mark ${entry.seen ? "seen" : ""}`, words));
        return node;
      }
      case "question": {
        const open = entry.state === "open";
        const node = make("div", `entry question ${open ? "" : "over"}`, entry.text);
        if (open) {
          const button = make("button", "", "Decide...");
          button.addEventListener("click", () => editor.postMessage({ type: "decide", approval: entry.approval }));
          node.append(make("br", ""), button);
        } else {
          node.append(make("span", "mark", entry.state));
        }
        return node;
      }
      case "end": {
        const node = make("div", `entry end ${entry.state}`);
        node.append(make("span", "mark", { ended: "done", cancelled: "stopped", failed: "it did not work" }[/** @type {"ended"} */ (entry.state)] ?? entry.state));
        if (entry.text) node.append(entry.text);
        return node;
      }
      default:
        return make("div", `entry ${entry.kind}`, entry.text);
    }
  }

  /** @param {[number, any][]} list */
  function put(list) {
    for (const [number, entry] of list) {
      if (!entry) continue;
      const before = shown.get(number);
      const node = draw(entry, before);
      const inner = before?.querySelector("pre");
      if (before) before.replaceWith(node);
      else entries.append(node);
      const pre = node.querySelector("pre");
      if (pre) pre.scrollTop = !inner || inner.scrollHeight - inner.scrollTop - inner.clientHeight < 20 ? pre.scrollHeight : inner.scrollTop;
      shown.set(number, node);
    }
    entries.hidden = shown.size === 0;
    at("empty").hidden = shown.size > 0 || !at("notice").hidden;
    stick();
  }

  function stick() {
    if (stuck) entries.scrollTop = entries.scrollHeight;
  }

  /** @param {any} message */
  function head(message) {
    const run = message.head;
    any = Boolean(run) && !run.gone;
    over = !run || run.over;
    at("head").hidden = !run;
    if (run) {
      at("title").textContent = run.title;
      at("state").textContent = run.over ? { ended: "done", cancelled: "stopped", failed: "did not work" }[/** @type {"ended"} */ (run.state)] ?? run.state : run.doing || (run.state === "running" ? "thinking" : run.state);
      at("steps").textContent = run.steps;
      at("spent").textContent = run.spent;
      at("stop").hidden = run.over;
    }
    if (over) {
      label(at("plain"), any ? "Go on" : "Ask", "Enter");
      label(at("control"), "Try again", "Ctrl+Enter");
      box.placeholder = any ? "Say what comes next" : "What is to be done?";
    } else {
      label(at("plain"), "Tell now", "Enter");
      label(at("control"), "Queue", "Ctrl+Enter");
      box.placeholder = "Tell the agent something while it works";
    }
    at("control").hidden = !any;
    at("along").hidden = any && !over;
    at("notice").hidden = !message.way;
    at("empty").hidden = shown.size > 0 || Boolean(message.way);
    at("why").textContent = message.way?.text ?? "";
    at("way").textContent = message.way?.title ?? "";
  }

  /** @param {"plain" | "control"} key */
  function send(key) {
    if (box.value.trim() === "" && !(over && any && key === "control")) return box.focus();
    if (sending !== "") return;
    sending = box.value || " ";
    editor.postMessage({ type: "send", text: box.value, key });
  }

  entries.addEventListener("wheel", () => requestAnimationFrame(look), { passive: true });
  entries.addEventListener("keyup", look);
  entries.addEventListener("pointerup", look);
  new ResizeObserver(stick).observe(entries);
  function look() {
    stuck = entries.scrollHeight - entries.scrollTop - entries.clientHeight < 40;
  }

  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send(event.ctrlKey || event.metaKey ? "control" : "plain");
  });
  box.addEventListener("input", () => {
    editor.setState({ draft: box.value });
    editor.postMessage({ type: "typing" });
  });
  at("way").addEventListener("click", () => editor.postMessage({ type: "way" }));
  at("plain").addEventListener("click", () => send("plain"));
  at("control").addEventListener("click", () => send("control"));
  at("stop").addEventListener("click", () => editor.postMessage({ type: "stop" }));

  window.addEventListener("message", ({ data }) => {
    switch (data.type) {
      case "run":
        stuck = true;
        shown.clear();
        entries.replaceChildren();
        put(data.entries);
        break;
      case "entries":
        for (const [number, node] of shown) {
          if (number < data.first) {
            node.remove();
            shown.delete(number);
          }
        }
        put(data.entries);
        break;
      case "sent":
        // What is typed meanwhile stays; so does what was not taken.
        if (data.taken && box.value.startsWith(data.text)) box.value = box.value.slice(data.text.length);
        editor.setState({ draft: box.value });
        sending = "";
        break;
      case "head":
        head(data);
        break;
      case "along":
        at("along").textContent = data.text ? `Sent with it: ${data.text}` : "";
        break;
    }
  });
  box.value = editor.getState()?.draft ?? "";
  head({});
  put([]);
  editor.postMessage({ type: "ready" });
})();
