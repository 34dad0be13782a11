// The box of `course demo --live`: a text of the visitor's own among the others. It does nothing unless the command's
// server has set window.LIVE, and asks that server alone. What comes back is put into the page as text (textContent).
"use strict";
(() => {
const live = window.LIVE, box = document.getElementById("live");
if (!live || !box) return;
const {points, tasks, k} = window.DATA;

function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
}

const wide = {width: "100%", display: "block", margin: "4px 0 10px"};
const text = element("textarea", {id: "live-text", rows: 3, maxLength: live.maxText, required: true});
const instruction = element("input", {id: "live-instruction", maxLength: live.maxInstruction, autocomplete: "off"});
for (const field of [text, instruction]) Object.assign(field.style, wide);
const like = {font: "inherit", color: "inherit", background: "var(--card)", border: "1px solid var(--line)"};
Object.assign(text.style, like, {borderRadius: "9px", padding: "6px 12px"});  // as the page's other fields
const send = element("button", {type: "submit", textContent: "Show where it lies"});
const away = element("button", {type: "button", textContent: "Take it away", hidden: true});
const status = element("p", {id: "live-status", className: "note"});
status.setAttribute("role", "status");
const asked = element("div", {id: "live-asked"});
asked.style.marginTop = "12px";
const form = element("form", {},
    element("label", {htmlFor: text.id, textContent: "A text of your own"}), text,
    element("label", {htmlFor: instruction.id, textContent: "An instruction of your own, if you like"}), instruction,
    send, " ", away, status);
box.setAttribute("aria-labelledby", "live-title");
box.append(element("h2", {id: "live-title", textContent: "Your own text"}), form, asked);
box.hidden = false;

function list({instruction, neighbours, cosine, note}) {
    const title = element("h3", {textContent: `Nearest under “${instruction}”`});
    const about = `There is no map of your instruction. These are the ${k} texts nearest to yours under it; the first has `
        + `a cosine of ${cosine.toFixed(2)}. ${note}`;
    const clamp = j => element("span", {className: "clamp", textContent: points[j].text_preview});
    // it scrolls, with the keyboard too, so that the card stays beside the map
    const found = element("ol", {tabIndex: 0, ariaLabel: title.textContent}, ...neighbours.map(j => element("li", {}, clamp(j))));
    Object.assign(found.style, {fontSize: ".9rem", paddingLeft: "28px", maxHeight: "240px", overflowY: "auto"});
    asked.replaceChildren(title, element("p", {className: "note", textContent: about}), found);
}

function words(detail) {
    return Array.isArray(detail) ? detail.map(({field, message}) => `${field}: ${message}.`).join(" ") : String(detail);
}

let busy = false;
async function ask() {
    if (busy) return;
    busy = true;
    send.setAttribute("aria-disabled", "true");
    status.textContent = instruction.value.trim() ? "All texts are read under your instruction …" : "It is read …";
    try {
        const headers = {"Content-Type": "application/json", "X-Course-Token": live.token};
        const body = JSON.stringify({text: text.value, instruction: instruction.value});
        const gone = () => { throw new Error("The server does not answer. Does `course demo --live` still run?"); };
        const response = await fetch("place", {method: "POST", headers, body}).catch(gone);
        const answer = await response.json().catch(gone);
        if (!response.ok) throw new Error(words(answer.detail));
        window.PAGE.showVisitor(answer);
        answer.asked ? list(answer.asked) : asked.replaceChildren();
        const called = document.querySelectorAll("#tasks button");
        const lost = tasks.flatMap(({name}, t) => answer.tasks[name].note ? called[t].textContent : []);
        status.textContent = "Your text is on the map, and its neighbours stand with it."
            + (lost.length ? ` It is far from every text, and the model has no opinion on it, under: ${lost.join(", ")}.` : "");
        away.hidden = false;
    } catch (error) {
        status.textContent = error.message;
    }
    send.removeAttribute("aria-disabled");
    busy = false;
}

form.addEventListener("submit", event => { event.preventDefault(); ask(); });
text.addEventListener("keydown", event => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); }
});
away.addEventListener("click", () => {
    window.PAGE.clearVisitor();
    asked.replaceChildren();
    [status.textContent, away.hidden] = ["It is gone.", true];
    text.focus();
});
})();
