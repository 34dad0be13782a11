// The page of maps. It reads window.DATA (data.js, the same as data.json) and asks for nothing else. Texts are only ever
// put into the page as text (textContent), so that no text can become a part of it.
"use strict";
(() => {
const {tasks, points, labels, k, model, corpus, chance, taught} = window.DATA;
const count = points.length;
const GLIDE_MS = 1000;
// as in course_utils/drawing/plots.py: ten colours, ten shapes, and from the eleventh category on other pairs of the two
const PALETTE = ["#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"];
const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const $ = id => document.getElementById(id);

function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
}

function percent(share) {
    return (share > 0 && share < .01 ? "under 1" : Math.round(100 * share)) + "\u00a0%";
}

// --- what is shown -------------------------------------------------------------------------------------------------

const state = {task: 0, label: 0, pinned: -1, cursor: -1, hidden: new Set(), search: ""};
let categories = [], categoryOf = new Uint16Array(count), sprites = [];
let shown = new Uint8Array(count).fill(1), found = new Uint8Array(count).fill(1);

const places = tasks.map(({name}) => {
    const xy = new Float32Array(2 * count);
    points.forEach((point, i) => { xy[2 * i] = point[name + "_x"]; xy[2 * i + 1] = -point[name + "_y"]; });
    return xy;
});
let now = places[0].slice();
const bounds = {left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity};
for (const xy of places) {
    for (let i = 0; i < count; i++) {  // one frame for all maps: what seems to move has moved
        bounds.left = Math.min(bounds.left, xy[2 * i]); bounds.right = Math.max(bounds.right, xy[2 * i]);
        bounds.top = Math.min(bounds.top, xy[2 * i + 1]); bounds.bottom = Math.max(bounds.bottom, xy[2 * i + 1]);
    }
}
// Points are drawn in a mixed order, so that no category covers the others for being the last.
const order = Uint32Array.from({length: count}, (_, i) => i);
for (let i = count - 1, seed = 1; i > 0; i--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = seed % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
}

// --- marks ---------------------------------------------------------------------------------------------------------

function outline(context, shape, r) {
    const polygon = (corners, turn, inner = 1) => {
        for (let c = 0; c < corners; c++) {
            const angle = turn + 2 * Math.PI * c / corners, radius = c % 2 ? r * inner : r;
            context.lineTo(radius * Math.cos(angle), radius * Math.sin(angle));
        }
    };
    const cross = turn => {
        const [a, b] = [r, r * .36];
        for (const [x, y] of [[a, b], [b, b], [b, a], [-b, a], [-b, b], [-a, b], [-a, -b], [-b, -b], [-b, -a], [b, -a], [b, -b], [a, -b]]) {
            context.lineTo(x * Math.cos(turn) - y * Math.sin(turn), x * Math.sin(turn) + y * Math.cos(turn));
        }
    };
    context.beginPath();
    [
        () => context.arc(0, 0, r * .86, 0, 7), () => polygon(4, 0), () => polygon(4, Math.PI / 4),
        () => polygon(3, -Math.PI / 2), () => cross(0), () => polygon(10, -Math.PI / 2, .48), () => cross(Math.PI / 4),
        () => polygon(6, 0), () => polygon(5, -Math.PI / 2),
        () => { for (const [x, y] of [[-r, -r * .7], [r, r * .7], [r, -r * .7], [-r, r * .7]]) context.lineTo(x, y); },
    ][shape]();
    context.closePath();
}

function colourOf(category) {
    const colour = PALETTE[category % 10];
    if (!dark.matches) return colour;
    // lighter on a dark ground, where some of the ten would hardly show
    const mixed = [1, 3, 5].map(at => Math.round(parseInt(colour.slice(at, at + 2), 16) * .72 + 255 * .28));
    return `rgb(${mixed})`;
}

function drawMark(context, category, r) {
    outline(context, (category + Math.floor(category / 10)) % 10, r);
    context.fillStyle = colourOf(category);
    context.fill();
    context.lineWidth = .8;
    context.strokeStyle = dark.matches ? "#121419" : "#ffffff";
    context.stroke();
}

function swatch(category) {
    const canvas = element("canvas", "swatch"), context = canvas.getContext("2d");
    canvas.width = canvas.height = 36;
    canvas.setAttribute("aria-hidden", "true");
    context.translate(18, 18);
    context.scale(2, 2);
    drawMark(context, category, 7);
    return canvas;
}

const canvas = $("canvas"), context = canvas.getContext("2d");
let width = 0, height = 0, dense = 1, radius = 5;

function makeSprites() {
    radius = Math.max(3, Math.min(7, 150 / Math.sqrt(count))) * (width < 600 ? .8 : 1);
    const size = Math.ceil(2 * (radius + 1.5) * dense);
    sprites = categories.map((_, category) => {
        const sprite = element("canvas"), pen = sprite.getContext("2d");
        sprite.width = sprite.height = size;
        pen.translate(size / 2, size / 2);
        pen.scale(dense, dense);
        drawMark(pen, category, radius);
        return sprite;
    });
}

// --- the map -------------------------------------------------------------------------------------------------------

const view = {zoom: 1, x: 0, y: 0};
const fit = () => .92 * Math.min(width / (bounds.right - bounds.left || 1), height / (bounds.bottom - bounds.top || 1));

function placeOf(i) {
    const scale = fit() * view.zoom;
    return [width / 2 + view.x + (now[2 * i] - (bounds.left + bounds.right) / 2) * scale,
            height / 2 + view.y + (now[2 * i + 1] - (bounds.top + bounds.bottom) / 2) * scale];
}

function draw() {
    const scale = fit() * view.zoom, half = sprites[0].width / 2 / dense, size = 2 * half;
    const left = width / 2 + view.x - (bounds.left + bounds.right) / 2 * scale - half;
    const top = height / 2 + view.y - (bounds.top + bounds.bottom) / 2 * scale - half;
    const pinned = state.pinned >= 0, near = pinned ? points[state.pinned][tasks[state.task].name + "_neighbours"] : [];
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, width, height);
    for (const bright of [0, 1]) {  // what was not found lies underneath
        context.globalAlpha = bright ? (pinned ? .38 : .9) : .1;
        for (const i of order) {
            if (shown[i] && found[i] === bright) {
                // on whole pixels, where copying a mark takes half the time
                context.drawImage(sprites[categoryOf[i]], Math.round((left + now[2 * i] * scale) * dense) / dense,
                    Math.round((top + now[2 * i + 1] * scale) * dense) / dense, size, size);
            }
        }
    }
    context.globalAlpha = 1;
    const style = getComputedStyle(document.documentElement);
    if (pinned) {
        const [x, y] = placeOf(state.pinned);
        context.strokeStyle = style.getPropertyValue("--ink");
        context.lineWidth = 1.2;
        context.beginPath();
        for (const j of near) { context.moveTo(x, y); context.lineTo(...placeOf(j)); }
        context.stroke();
        for (const j of near) drawBig(j, 1.15);
        drawBig(state.pinned, 1.6);
        ring(state.pinned, radius * 2.2, style.getPropertyValue("--mark"));
    }
    if (state.cursor >= 0) ring(state.cursor, radius * 1.9, style.getPropertyValue("--accent"));
}

function drawBig(i, times) {
    context.save();
    context.translate(...placeOf(i));
    drawMark(context, categoryOf[i], radius * times);
    context.restore();
}

function ring(i, r, colour) {
    context.beginPath();
    context.arc(...placeOf(i), r, 0, 7);
    context.lineWidth = 2.5;
    context.strokeStyle = colour;
    context.stroke();
}

let asked = 0, glide = null;

function redraw() {
    asked ||= requestAnimationFrame(time => {
        asked = 0;
        if (glide) {
            glide.began ??= time;
            const t = Math.min(1, (time - glide.began) / GLIDE_MS), eased = t < .5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2;
            const {from, to} = glide;
            for (let c = 0; c < now.length; c++) now[c] = from[c] + (to[c] - from[c]) * eased;
            if (t === 1) glide = null;
            redraw();
        }
        draw();
    });
}

function resize() {
    const box = canvas.getBoundingClientRect();
    [width, height, dense] = [box.width, box.height, Math.min(2, devicePixelRatio || 1)];
    [canvas.width, canvas.height] = [Math.round(width * dense), Math.round(height * dense)];
    makeSprites();
    redraw();
}

function zoomBy(factor, x = width / 2, y = height / 2) {
    const zoom = Math.max(1, Math.min(20, view.zoom * factor)), by = zoom / view.zoom;
    view.x = (view.x - (x - width / 2)) * by + (x - width / 2);
    view.y = (view.y - (y - height / 2)) * by + (y - height / 2);
    view.zoom = zoom;
    if (zoom === 1) view.x = view.y = 0;
    redraw();
}

function nearestTo(x, y, within) {
    let best = -1, least = within ** 2;
    for (let i = 0; i < count; i++) {
        if (!shown[i] || !found[i]) continue;
        const [px, py] = placeOf(i), distance = (px - x) ** 2 + (py - y) ** 2;
        if (distance < least) [best, least] = [i, distance];
    }
    return best;
}

// --- reading, pinning ----------------------------------------------------------------------------------------------

const namesOf = i => points[i].labels.join(", ");

function setCursor(i, spoken = false) {
    state.cursor = i;
    const tip = $("tooltip");
    tip.hidden = i < 0;
    if (i >= 0) {
        tip.replaceChildren(...(labels.length ? [element("b", "", namesOf(i))] : []), element("span", "", points[i].text_preview));
        const [x, y] = placeOf(i), right = x > width / 2;
        tip.style.left = right ? "auto" : Math.max(8, x + 16) + "px";
        tip.style.right = right ? Math.max(8, width - x + 16) + "px" : "auto";
        tip.style.top = Math.max(8, Math.min(height - tip.offsetHeight - 8, y - tip.offsetHeight / 2)) + "px";
        if (spoken) $("spoken").textContent = `${namesOf(i)}: ${points[i].text_preview}`;
    }
    redraw();
}

function pin(i) {
    state.pinned = i;
    $("unpin").hidden = $("pinned-text").hidden = i < 0;
    $("pinned-empty").hidden = i >= 0;
    $("pinned-text").textContent = i < 0 ? "" : points[i].text_preview;
    $("pinned-labels").replaceChildren(...(i < 0 ? [] : points[i].labels.map((value, l) => element("span", "chip", `${labels[l]}: ${value}`))));
    $("columns").replaceChildren(...(i < 0 ? [] : tasks.map((task, t) => column(i, task, t))));
    $("spoken").textContent = i < 0 ? "Let go." : `Pinned. Its neighbours under ${tasks.length} instructions stand below the map.`;
    setCursor(-1);
}

function column(i, task, t) {
    const near = points[i][task.name + "_neighbours"], before = new Set(points[i][tasks[0].name + "_neighbours"]);
    const made = element("section", t === state.task ? "now" : "");
    made.setAttribute("aria-label", `nearest under ${task.name}`);
    const tally = labels.map((label, l) =>
        `same ${label} ${near.filter(j => points[j].labels[l] === points[i].labels[l]).length} of ${k}`);
    if (t) tally.push(`new ${near.filter(j => !before.has(j)).length} of ${k}`);
    const list = element("ol");
    for (const j of near) {
        const button = element("button"), item = element("li");
        button.type = "button";
        button.append(swatch(categoryOf[j]), element("span", "clamp", points[j].text_preview));
        if (t && !before.has(j)) button.append(element("span", "new", "new"));
        button.setAttribute("aria-label", `${namesOf(j)}: ${points[j].text_preview}${t && !before.has(j) ? " (new)" : ""}`);
        button.addEventListener("click", () => { pin(j); $("pinned").focus({preventScroll: true}); });
        button.addEventListener("pointerenter", () => setCursor(j));
        button.addEventListener("pointerleave", () => setCursor(-1));
        item.append(button);
        list.append(item);
    }
    made.append(element("h3", "", task.name), element("p", "tally", tally.join(" · ")), list);
    return made;
}

// --- the instruction -------------------------------------------------------------------------------------------------

function choose(t) {
    state.task = t;
    explain(t);
    [...$("tasks").children].forEach((button, b) => button.setAttribute("aria-pressed", b === t));
    [...$("columns").children].forEach((section, s) => section.classList.toggle("now", s === t));
    setCursor(-1);
    glide = {from: now.slice(), to: places[t]};
    if (still.matches) { now = places[t].slice(); glide = null; }
    $("spoken").textContent = `${tasks[t].name}. ${tasks[t].instruction || "No instruction."}`;
    redraw();
}

function explain(t) {
    for (const stack of [$("instructions"), $("effects")]) {
        [...stack.children].forEach((words, w) => words.classList.toggle("now", w === t));
    }
    $("control").classList.toggle("now", tasks[t].instruction !== "");
    labels.forEach((label, l) => {
        const {estimate, low, high} = tasks[t].measures["same_" + label], bar = $("bars").children[l];
        bar.querySelector(".fill").style.width = 100 * estimate + "%";
        const whisker = bar.querySelector(".whisker");
        whisker.hidden = low === null;  // a range without ends
        [whisker.style.left, whisker.style.width] = [100 * low + "%", 100 * (high - low) + "%"];
        bar.querySelector(".value").textContent = percent(estimate) + (low === null ? " (too few to say)" : "");
    });
}

// All that the instructions do is written at once, in one place, and only what belongs to the chosen one can be seen: so the
// cards have the height of the longest, and the map stays where it is.
function write({name, instruction, measures, effect}, t) {
    $("instructions").append(element("p", "instruction", instruction ? `“${instruction}”` : "Nothing: the text alone is read."));
    const block = element("div"), list = element("ul", "effect");
    list.append(...effect.map(words => element("li", "", words)));
    block.append(list, element("p", "note",
        `The map of ${name} keeps ${percent(measures.map.knn_overlap)} of the ${k} nearest neighbours of each text (chance: `
        + `${percent(chance)}); distances between far points mean nothing. `
        + (t ? `It is aligned: it started from the map of ${tasks[0].name} and was turned onto it.` : "The other maps are aligned with it.")));
    $("effects").append(block);
}

// --- colours, filter, search -----------------------------------------------------------------------------------------

function colourBy(l) {
    state.label = l;
    state.hidden.clear();
    const value = i => labels.length ? points[i].labels[l] : "";
    categories = [...new Set(points.map((_, i) => value(i)))];
    const at = new Map(categories.map((name, c) => [name, c])), sizes = new Uint32Array(categories.length);
    for (let i = 0; i < count; i++) sizes[categoryOf[i] = at.get(value(i))]++;
    $("filter-row").hidden = categories.length < 2;
    $("filter-title").textContent = labels[l] || "";
    $("filter").replaceChildren(...categories.map((name, c) => {
        const row = element("label"), box = element("input");
        [box.type, box.checked, box.value] = ["checkbox", true, c];
        box.addEventListener("change", () => { state.hidden[box.checked ? "delete" : "add"](c); filter(); });
        row.append(box, swatch(c), element("span", "", name), element("span", "n", sizes[c]));
        return row;
    }));
    if (width) makeSprites();
    if (state.pinned >= 0) pin(state.pinned);
    filter();
}

function filter() {
    const wanted = state.search.trim().toLowerCase();
    const list = [];
    let matches = 0;
    for (let i = 0; i < count; i++) {
        shown[i] = state.hidden.has(categoryOf[i]) ? 0 : 1;
        found[i] = points[i].text_preview.toLowerCase().includes(wanted) ? 1 : 0;
        if (shown[i] && found[i]) {
            matches++;
            if (wanted && list.length < 50) list.push(i);
        }
    }
    $("found").textContent = wanted ? `${matches} of ${count} texts hold these letters.` : `${matches} of ${count} texts are shown.`;
    $("results").replaceChildren(...list.map(i => {
        const button = element("button"), item = element("li");
        button.type = "button";
        button.append(swatch(categoryOf[i]), element("span", "clamp", points[i].text_preview));
        button.addEventListener("click", () => { pin(i); $("pinned").focus(); });
        item.append(button);
        return item;
    }));
    setCursor(-1);
}

// --- hands -----------------------------------------------------------------------------------------------------------

const held = new Map();  // pointers on the map: id -> place
let travelled = 0;

canvas.addEventListener("pointerdown", event => {
    held.set(event.pointerId, [event.offsetX, event.offsetY]);
    if (held.size === 1) travelled = 0;
    canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", event => {
    const {offsetX: x, offsetY: y} = event;
    if (!held.has(event.pointerId)) return setCursor(nearestTo(x, y, 14));
    const before = held.get(event.pointerId);
    if (held.size === 2) {
        const [other] = [...held].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        zoomBy(Math.hypot(x - other[0], y - other[1]) / Math.max(1, Math.hypot(before[0] - other[0], before[1] - other[1])),
            (x + other[0]) / 2, (y + other[1]) / 2);
    } else {
        [view.x, view.y] = [view.x + x - before[0], view.y + y - before[1]];
    }
    travelled += Math.hypot(x - before[0], y - before[1]);
    held.set(event.pointerId, [x, y]);
    if (travelled > 4) setCursor(-1);
});
canvas.addEventListener("pointerup", event => {
    const clicked = held.size === 1 && travelled <= 4;
    held.delete(event.pointerId);
    if (!clicked) return;
    const i = nearestTo(event.offsetX, event.offsetY, event.pointerType === "mouse" ? 14 : 26);
    pin(i === state.pinned ? -1 : i);
    if (i >= 0 && event.pointerType !== "mouse") setCursor(i);  // a finger has not hovered
});
canvas.addEventListener("pointercancel", event => held.delete(event.pointerId));
// a finger leaves with every lift, and what it touched should stay to be read
canvas.addEventListener("pointerleave", event => { if (event.pointerType === "mouse") setCursor(-1); });
canvas.addEventListener("wheel", event => {
    if (!event.ctrlKey && !event.metaKey) return;  // a plain wheel scrolls the page
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 200), event.offsetX, event.offsetY);
}, {passive: false});
canvas.addEventListener("keydown", event => {
    const step = {ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (step) {
        setCursor(state.cursor < 0 ? nearestTo(width / 2, height / 2, Infinity) : stepFrom(state.cursor, step), true);
    } else if (event.key === "Enter" && state.cursor >= 0) {
        const i = state.cursor;
        pin(i);
        setCursor(i);
    } else if (event.key === "Escape") {
        state.cursor >= 0 ? setCursor(-1) : pin(-1);
    } else if ("+=-".includes(event.key)) {
        zoomBy(event.key === "-" ? 1 / 1.4 : 1.4);
    } else {
        return;
    }
    event.preventDefault();
});

function stepFrom(i, [dx, dy]) {
    const [x, y] = placeOf(i);
    let best = i, least = Infinity;
    for (let j = 0; j < count; j++) {
        if (!shown[j] || !found[j] || j === i) continue;
        const [px, py] = placeOf(j), along = (px - x) * dx + (py - y) * dy, across = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
        if (along > 0 && across <= along && along + 2 * across < least) [best, least] = [j, along + 2 * across];
    }
    return best;
}

// --- the beginning -----------------------------------------------------------------------------------------------------

document.title = `Same text, another question: ${corpus}`;
$("about").textContent = `${count.toLocaleString("en")} texts (${corpus}), placed by ${model.split("/").pop()} under ${tasks.length} instructions`;
canvas.setAttribute("aria-label", `Map of ${count} texts`);
$("control").hidden = taught;
tasks.forEach((task, t) => {
    write(task, t);
    const button = element("button", "", task.name.replaceAll("_", " "));
    button.type = "button";
    button.addEventListener("click", () => choose(t));
    $("tasks").append(button);
});
for (const label of labels) {
    const bar = element("div", "bar"), track = element("div", "track"), same = "same_" + label;
    const first = element("div", "first"), luck = element("div", "chance");
    first.style.left = 100 * tasks[0].measures[same].estimate + "%";
    luck.style.left = 100 * tasks[0].measures[same].chance + "%";
    track.append(element("div", "fill"), luck, first, element("div", "whisker"));
    bar.append(element("span", "name", "same " + label), track, element("span", "value"));
    $("bars").append(bar);
}
if (labels.length) {
    const key = element("p", "key", "share of neighbours");
    key.append(element("i"), `under ${tasks[0].name}`, element("i", "dotted"), "by chance");
    $("bars").append(key);
}
labels.forEach((label, l) => $("colour").append(new Option(label, l)));
$("colour-row").hidden = labels.length < 2;
$("colour").addEventListener("change", event => colourBy(Number(event.target.value)));
for (const [id, hide] of [["all", false], ["none", true]]) {
    $(id).addEventListener("click", () => {
        state.hidden = new Set(hide ? categories.keys() : []);
        for (const box of $("filter").querySelectorAll("input")) box.checked = !hide;
        filter();
    });
}
$("search").addEventListener("input", event => { state.search = event.target.value; filter(); });
$("unpin").addEventListener("click", () => { pin(-1); canvas.focus(); });
$("zoom-in").addEventListener("click", () => zoomBy(1.5));
$("zoom-out").addEventListener("click", () => zoomBy(1 / 1.5));
$("zoom-reset").addEventListener("click", () => zoomBy(0));
dark.addEventListener("change", () => colourBy(state.label));
new ResizeObserver(resize).observe(canvas);
colourBy(0);
resize();
choose(0);
// for tests and measurements: where a text lies in the window now
window.placeOf = i => { const box = canvas.getBoundingClientRect(), [x, y] = placeOf(i); return [box.left + x, box.top + y]; };
})();
