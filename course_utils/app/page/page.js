// The page of maps. It reads window.DATA (data.js, the same as data.json) and asks for nothing else. Texts are only ever
// put into the page as text (textContent), so that no text can become a part of it. A server may add live.js, which
// shows a visitor's own text through window.PAGE.
"use strict";
(() => {
const {tasks, points, labels, orders, k, model, corpus, chance, taught, control, comparisons} = window.DATA;
const count = points.length, GUEST = count;  // a visitor's text stands behind all others
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

const nameOf = task => task.instruction ? task.name.replaceAll("_", " ") : "no question asked";
const tenths = share => (k * share).toFixed(1);

// --- what is shown -------------------------------------------------------------------------------------------------

// kinds: of each label, the categories, which one a text has, and how many have it
const kinds = (labels.length ? labels : [""]).map((label, l) => {
    const value = i => labels.length ? points[i].labels[l] : "";
    const used = new Set(points.map((_, i) => value(i)));
    const names = [...new Set([...(orders?.[label] ?? []).filter(name => used.has(name)), ...used])], at = new Map(names.map((name, c) => [name, c]));
    const of = Uint16Array.from(points, (_, i) => at.get(value(i))), sizes = new Uint32Array(names.length);
    for (const c of of) sizes[c]++;
    return {label, names, of, sizes, hidden: new Set()};
});
const state = {task: 0, fixed: -1, pinned: -1, cursor: -1, search: ""};
let kind = kinds[0], sprites = [], guest = null;
const shown = new Uint8Array(count).fill(1), found = new Uint8Array(count).fill(1);

const places = tasks.map(({name}) => {
    const xy = new Float32Array(2 * count + 2);
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
    sprites = kind.names.map((_, category) => {
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

const guestHere = () => guest?.tasks[tasks[state.task].name];
const near = (i, t) => (i === GUEST ? guest?.tasks[tasks[t].name]?.neighbours : points[i][tasks[t].name + "_neighbours"]) ?? [];

function draw() {
    const scale = fit() * view.zoom, half = sprites[0].width / 2 / dense, size = 2 * half;
    const left = width / 2 + view.x - (bounds.left + bounds.right) / 2 * scale - half;
    const top = height / 2 + view.y - (bounds.top + bounds.bottom) / 2 * scale - half;
    const pinned = state.pinned >= 0, style = getComputedStyle(document.documentElement);
    const [ink, card, mark, accent] = ["--ink", "--card", "--mark", "--accent"].map(name => style.getPropertyValue(name));
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, width, height);
    for (const bright of [0, 1]) {  // what was not found lies underneath
        context.globalAlpha = bright ? (pinned ? .38 : .9) : .1;
        for (const i of order) {
            if (shown[i] && found[i] === bright) {
                // on whole pixels, where copying a mark takes half the time
                context.drawImage(sprites[kind.of[i]], Math.round((left + now[2 * i] * scale) * dense) / dense,
                    Math.round((top + now[2 * i + 1] * scale) * dense) / dense, size, size);
            }
        }
    }
    for (const [t, alpha] of glide ? [[glide.task, 1 - 2 * glide.done], [state.task, 2 * glide.done - 1]] : [[state.task, 1]]) {
        if (alpha > 0) writeNames(t, alpha * (pinned ? .45 : 1), ink, card);
    }
    context.globalAlpha = 1;
    if (pinned && (state.pinned !== GUEST || guestHere())) {
        const [x, y] = placeOf(state.pinned);
        context.strokeStyle = ink;
        context.lineWidth = 1.2;
        context.beginPath();
        for (const j of near(state.pinned, state.task)) { context.moveTo(x, y); context.lineTo(...placeOf(j)); }
        context.stroke();
        for (const j of near(state.pinned, state.task)) drawBig(j, 1.15);
        if (state.pinned !== GUEST) {
            drawBig(state.pinned, 1.6);
            ring(state.pinned, radius * 2.2, mark);
        }
    }
    if (guestHere()) {  // a disc with a hole, larger than all other marks
        for (const [r, wide, colour] of [[radius, 2 * radius + 4, card], [radius, 2 * radius, mark], [1, 3, card]]) ring(GUEST, r, colour, wide);
        write("your text", ...placeOf(GUEST), ink, card, -radius * 2 - 14);
    }
    if (state.cursor >= 0) ring(state.cursor, radius * 1.9, accent);
}

// A word on the map, with a rim of the ground's colour, so that it can be read over marks; returns its box.
function write(text, x, y, ink, card, lift = 0, taken = []) {
    context.font = `600 ${width < 600 ? 13 : 15}px system-ui, sans-serif`;
    [context.textAlign, context.textBaseline, context.lineJoin] = ["center", "middle", "round"];
    const half = context.measureText(text).width / 2 + 3;
    x = Math.max(half, Math.min(width - half, x));
    y = Math.max(12, Math.min(height - 12, y + lift));
    const box = [x - half, y - 11, x + half, y + 11];
    if (taken.some(([l, t, r, b]) => l < box[2] && r > box[0] && t < box[3] && b > box[1])) return null;
    [context.strokeStyle, context.fillStyle, context.lineWidth] = [card, ink, 5];
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
    return box;
}

function writeNames(t, alpha, ink, card) {
    const islands = (tasks[t].islands?.[kind.label] ?? []).map(({category, point, share}) => ({c: kind.names.indexOf(category), point, share}));
    const taken = [];
    context.globalAlpha = alpha;
    for (const {c, point} of islands.sort((a, b) => b.share * kind.sizes[b.c] - a.share * kind.sizes[a.c])) {
        const [x, y] = placeOf(point), name = kind.names[c];
        if (kind.hidden.has(c) || x < 0 || y < 0 || x > width || y > height) continue;
        const box = write(name.length > 24 ? name.slice(0, 23) + "…" : name, x, y, ink, card, 0, taken);
        if (box) taken.push(box);
    }
}

function drawBig(i, times) {
    context.save();
    context.translate(...placeOf(i));
    drawMark(context, kind.of[i], radius * times);
    context.restore();
}

function ring(i, r, colour, wide = 2.5) {
    context.beginPath();
    context.arc(...placeOf(i), r, 0, 7);
    context.lineWidth = wide;
    context.strokeStyle = colour;
    context.stroke();
}

let asked = 0, glide = null;

function redraw() {
    asked ||= requestAnimationFrame(time => {
        asked = 0;
        if (glide) {
            glide.began ??= time;
            const t = glide.done = Math.min(1, (time - glide.began) / GLIDE_MS), eased = t < .5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2;
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
    for (let i = 0; i <= GUEST; i++) {
        if (i === GUEST ? !guestHere() : !shown[i] || !found[i]) continue;
        const [px, py] = placeOf(i), distance = (px - x) ** 2 + (py - y) ** 2;
        if (distance < least) [best, least] = [i, distance];
    }
    return best;
}

// --- reading, pinning ----------------------------------------------------------------------------------------------

const textOf = i => i === GUEST ? guest.text : points[i].text_preview;
const namesOf = i => i === GUEST ? "your text" : points[i].labels.join(", ");

function setCursor(i, spoken = false) {
    state.cursor = i;
    const tip = $("tooltip");
    tip.hidden = i < 0;
    if (i >= 0) {
        const names = namesOf(i);
        tip.replaceChildren(...(names ? [element("b", "", names)] : []), element("span", "", textOf(i)));
        const [x, y] = placeOf(i), right = x > width / 2;
        tip.style.left = right ? "auto" : Math.max(8, x + 16) + "px";
        tip.style.right = right ? Math.max(8, width - x + 16) + "px" : "auto";
        tip.style.top = Math.max(8, Math.min(height - tip.offsetHeight - 8, y - tip.offsetHeight / 2)) + "px";
        if (spoken) $("spoken").textContent = `${names}: ${textOf(i)}`;
    }
    redraw();
}

function pin(i) {
    state.pinned = i;
    document.querySelector("main").classList.toggle("has-pin", i >= 0);
    $("unpin").hidden = $("pinned-text").hidden = i < 0;
    $("pinned-empty").hidden = i >= 0;
    $("pinned-title").textContent = i === GUEST ? "Your text" : "Pinned text";
    $("pinned-text").textContent = i < 0 ? "" : textOf(i);
    $("pinned-note").hidden = i !== GUEST || !guest.note;
    $("pinned-note").textContent = i === GUEST ? guest.note ?? "" : "";
    $("pinned-labels").replaceChildren(...(i < 0 || i === GUEST ? [] : points[i].labels.map((value, l) => element("span", "chip", `${labels[l]}: ${value}`))));
    $("columns").replaceChildren(...(i < 0 ? [] : tasks.map((task, t) => column(i, task, t))));
    if (!restoring) $("spoken").textContent = i < 0 ? "Let go." : `Pinned. Its neighbours under ${tasks.length} questions stand below the map.`;
    setCursor(-1);
    remember();
}

// A text in a list: its mark, its words, perhaps a remark; a click pins it.
function entry(i, remark) {
    const button = element("button"), item = element("li");
    button.type = "button";
    button.append(swatch(kind.of[i]), element("span", "clamp", points[i].text_preview));
    if (remark) button.append(element("span", "new", remark));
    button.setAttribute("aria-label", `${namesOf(i)}: ${points[i].text_preview}${remark ? ` (${remark})` : ""}`);
    button.addEventListener("click", () => { pin(i); $("pinned").focus({preventScroll: $("pinned").contains(button)}); });
    button.addEventListener("pointerenter", event => { if (event.pointerType === "mouse") setCursor(i); });
    button.addEventListener("pointerleave", () => setCursor(-1));
    item.append(button);
    return item;
}

function column(i, task, t) {
    const mine = near(i, t), before = new Set(near(i, 0)), theirs = guest?.tasks[task.name];
    const made = element("section", t === state.task ? "now" : "");
    made.setAttribute("aria-label", `nearest under ${nameOf(task)}`);
    const tally = i === GUEST ? (theirs ? [`similarity of the nearest: ${theirs.cosine.toFixed(2)}`] : ["not asked"])
        : labels.map((label, l) => `same ${label} ${mine.filter(j => points[j].labels[l] === points[i].labels[l]).length} of ${k}`);
    if (t && mine.length) tally.push(`new ${mine.filter(j => !before.has(j)).length} of ${mine.length}`);
    const list = element("ol");
    list.append(...mine.map(j => entry(j, t && !before.has(j) ? "new" : "")));
    made.append(element("h3", "", nameOf(task)), element("p", "tally", tally.join(" · ")));
    if (i === GUEST && theirs?.note) made.append(element("p", "tally", theirs.note));
    made.append(list);
    return made;
}

// --- a visitor's own text ------------------------------------------------------------------------------------------

function showVisitor(visitor) {
    guest = {...visitor, tasks: {...visitor.tasks}};
    for (const [name, theirs] of Object.entries(guest.tasks)) {
        guest.tasks[name] = {...theirs, neighbours: theirs.neighbours.filter(j => Number.isInteger(j) && j >= 0 && j < count)};
    }
    const anywhere = Object.values(guest.tasks)[0];
    tasks.forEach(({name}, t) => {
        const {x, y} = guest.tasks[name] ?? anywhere ?? {x: 0, y: 0};
        places[t].set([x, -y], 2 * GUEST);
    });
    for (const xy of glide ? [now, glide.from] : [now]) xy.set(places[state.task].subarray(2 * GUEST), 2 * GUEST);
    pin(GUEST);
}

function clearVisitor() {
    if (state.pinned === GUEST) pin(-1);
    guest = null;
    setCursor(-1);
}

// --- the question --------------------------------------------------------------------------------------------------

function choose(t) {
    const before = state.task;
    state.task = t;
    explain(t);
    [...$("tasks").children].forEach((button, b) => button.setAttribute("aria-pressed", b === t));
    [...$("columns").children].forEach((section, s) => section.classList.toggle("now", s === t));
    setCursor(-1);
    if (t !== before) glide = {from: now.slice(), to: places[t], task: before, done: 0};
    if (still.matches) { now = places[t].slice(); glide = null; }
    paint();
    const {instruction, label, effect} = tasks[t];
    const most = effect.find(words => words.includes(`same ${label} `)) ?? effect[0] ?? "";
    $("spoken").textContent = `${nameOf(tasks[t])}. ${instruction} ${most}`;
}

function explain(t) {
    for (const stack of [$("instructions"), $("effects")]) {
        [...stack.children].forEach((words, w) => words.classList.toggle("now", w === t));
    }
    $("control").classList.toggle("now", tasks[t].instruction !== "");
    $("bars").classList.toggle("first-task", t === 0 || Boolean(tasks[t].same_vectors));
    labels.forEach((label, l) => {
        const {estimate, low, high} = tasks[t].measures["same_" + label], bar = $("bars").children[l];
        bar.classList.toggle("asked", t > 0 && label === tasks[t].label);
        bar.querySelector(".fill").style.width = 100 * estimate + "%";
        const whisker = bar.querySelector(".whisker");
        whisker.hidden = low === null;  // a range without ends
        [whisker.style.left, whisker.style.width] = [100 * low + "%", 100 * (high - low) + "%"];
        bar.querySelector(".value").textContent = percent(estimate) + (low === null ? " (too few to say)" : "");
    });
}

// Of many texts a sample says how far to trust a map.
function sampled(sample) {
    if (!sample) return "";
    const {estimate, low, high} = sample.trustworthiness;
    const range = low === null ? "unknown" : `${low.toFixed(3)} to ${high.toFixed(3)}`;
    return ` Its trustworthiness, estimated from ${sample.texts.toLocaleString("en")} of the texts, is ${estimate.toFixed(3)} `
        + `(95% interval: ${range}; shuffled points have about one half).`;
}

// All that the instructions do is written at once, in one place, and only what belongs to the chosen one can be seen: so the
// cards have the height of the longest, and the map stays where it is.
function writeDown({instruction, measures, effect}) {
    $("instructions").append(element("p", "instruction", instruction ? `“${instruction}”` : "Nothing is asked: the text alone is read."));
    const block = element("div"), list = element("ul", "effect");
    list.append(...effect.map(words => element("li", "", words)));
    block.append(list, element("p", "note", `A flat map cannot keep everything: of each text's ${k} true neighbours this one shows `
        + `${percent(measures.map.knn_overlap)} close by (chance: ${percent(chance)}); how far islands lie apart means nothing.`
        + sampled(measures.map.sample)));
    $("effects").append(block);
}

// --- colours, filter, search ---------------------------------------------------------------------------------------

// Everything that follows from the question and the colours.
function paint() {
    const l = state.fixed >= 0 ? state.fixed : Math.max(0, labels.indexOf(tasks[state.task].label));
    kind = kinds[l];
    [...$("filter").children].forEach((legend, at) => legend.classList.toggle("now", at === l));
    $("colour").value = state.fixed;
    if (width) makeSprites();
    if (state.pinned >= 0) $("columns").replaceChildren(...tasks.map((task, t) => column(state.pinned, task, t)));
    showMovers();
    showTable();
    filter();
}

function legendOf({label, names, sizes, hidden}) {
    const legend = element("fieldset", "filter");
    legend.append(element("legend", "spoken", label), ...names.map((name, c) => {
        const row = element("label"), box = element("input");
        [box.type, box.checked, box.value] = ["checkbox", !hidden.has(c), c];
        box.addEventListener("change", () => { hidden[box.checked ? "delete" : "add"](c); filter(); });
        row.append(box, swatch(c), element("span", "", name), element("span", "n", sizes[c]));
        return row;
    }));
    return legend;
}

function filter() {
    const wanted = state.search.trim().toLowerCase();
    const list = [];
    let matches = 0;
    for (let i = 0; i < count; i++) {
        shown[i] = kind.hidden.has(kind.of[i]) ? 0 : 1;
        found[i] = points[i].text_preview.toLowerCase().includes(wanted) ? 1 : 0;
        if (shown[i] && found[i]) {
            matches++;
            if (wanted && list.length < 50) list.push(i);
        }
    }
    $("found").textContent = wanted ? `${matches} of ${count} texts hold these letters.` : `${matches} of ${count} texts are shown.`;
    $("results").replaceChildren(...list.map(i => entry(i)));
    setCursor(-1);
    remember();
}

function showMovers() {
    const {movers = [], measures, same_vectors} = tasks[state.task], first = nameOf(tasks[0]);
    const other = control ? `; an unrelated one (“${control.instruction}”) ${tenths(control.new_neighbours.estimate)}` : "";
    $("moved").textContent = state.task === 0 ? `Choose a question: the texts that it moved most, compared with “${first}”, then stand here.`
        : same_vectors ? `No vector moved: all neighbours are those of “${first}”.`
        : `This question gave the texts ${tenths(measures.new_neighbours.estimate)} of ${k} new neighbours on average${other}. It changed most for these:`;
    $("mover-list").replaceChildren(...movers.map(({point, new: share}) => entry(point, `${Math.round(k * share)} of ${k} new`)));
}

function showTable() {
    const task = tasks[state.task], {names, of, sizes, label} = kind, rows = [], own = new Float64Array(names.length);
    for (let i = 0; i < count; i++) own[of[i]] += near(i, state.task).filter(j => of[j] === of[i]).length / k;
    const row = (tag, cells) => {
        const made = element("tr");
        made.append(...cells.map((words, c) => {
            const cell = element(c ? tag : "th", "", words);
            cell.scope = tag === "th" ? "col" : "row";
            return cell;
        }));
        return made;
    };
    names.forEach((name, c) => rows.push([name || "all", sizes[c], percent(own[c] / sizes[c]), percent((sizes[c] - 1) / (count - 1))]));
    const best = names.map((_, c) => c).sort((a, b) => own[b] / sizes[b] - own[a] / sizes[a]);
    const [most, least] = [best[0], best.at(-1)].map(c => `${names[c]} (${percent(own[c] / sizes[c])})`);
    $("table-of").textContent = `${nameOf(task)}: whose ${k} nearest neighbours are of their own ${label || "kind"}`;
    $("table-said").textContent = names.length < 2 ? "The texts carry no labels to compare by."
        : `Under “${nameOf(task)}” the texts that keep most to their own ${label} are ${most}, those that do least ${least}.`;
    $("table").querySelector("thead").replaceChildren(row("th", [label || "kind", "texts", "own", "by chance"]));
    $("table").querySelector("tbody").replaceChildren(...rows.map(cells => row("td", cells)));
}

// --- the address -----------------------------------------------------------------------------------------------------

let restoring = true;

function remember() {
    if (restoring) return;
    const said = new URLSearchParams();
    if (state.task) said.set("task", tasks[state.task].name);
    if (state.fixed >= 0) said.set("colour", labels[state.fixed]);
    if (state.pinned >= 0 && state.pinned !== GUEST) said.set("text", state.pinned);
    if (state.search) said.set("search", state.search);
    for (const c of kind.hidden) said.append("hide", kind.names[c]);
    try {
        history.replaceState(null, "", "#" + said);
    } catch { /* in a frame without an address of its own, or asked too often: the view is not kept */ }
}

function restore() {
    const said = new URLSearchParams(location.hash.slice(1)), hide = new Set(said.getAll("hide"));
    restoring = true;
    state.fixed = labels.indexOf(said.get("colour"));
    state.search = $("search").value = said.get("search") ?? "";
    choose(Math.max(0, tasks.findIndex(({name}) => name === said.get("task"))));
    kind.hidden.clear();
    kind.names.forEach((name, c) => { if (hide.has(name)) kind.hidden.add(c); });
    drawLegends();
    const text = said.has("text") ? Number(said.get("text")) : -1;
    pin(Number.isInteger(text) && text < count ? Math.max(-1, text) : -1);
    restoring = false;
}

function drawLegends() {
    $("filter").replaceChildren(...kinds.map(legendOf));
    paint();
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
$("about").textContent = `${count.toLocaleString("en")} texts (${corpus}), placed by the model ${model.split("/").pop()}`;
canvas.setAttribute("aria-label", `Map of ${count} texts`);
$("control").hidden = taught;
$("table-note").textContent = tasks.length < 2 ? "" : `The maps are aligned: each started from that of “${nameOf(tasks[0])}” and was turned onto it.`
    + (comparisons > 1 ? ` The intervals of all ${comparisons} comparisons hold together.` : "");
tasks.forEach((task, t) => {
    writeDown(task);
    const button = element("button", "", nameOf(task));
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
    const key = element("p", "key"), of = [[`share of the ${k} nearest texts`], [nameOf(tasks[0]), ""], ["by chance", "dotted"]];
    key.append(...of.map(([words, line]) => {
        const part = element("span");
        part.append(...(line === undefined ? [] : [element("i", line)]), words);
        return part;
    }));
    $("bars").append(key);
}
$("colour").append(new Option("question", -1), ...labels.map((label, l) => new Option(label, l)));
$("colour-row").hidden = labels.length < 2;
$("filter").hidden = document.querySelector(".filter-all").hidden = kinds.length < 2 && kind.names.length < 2;
$("colour").addEventListener("change", event => { state.fixed = Number(event.target.value); paint(); });
for (const [id, hide] of [["all", false], ["none", true]]) {
    $(id).addEventListener("click", () => {
        kind.hidden.clear();
        if (hide) kind.names.forEach((_, c) => kind.hidden.add(c));
        drawLegends();
    });
}
$("search").addEventListener("input", event => { state.search = event.target.value; filter(); });
$("unpin").addEventListener("click", () => { pin(-1); canvas.focus(); });
$("zoom-in").addEventListener("click", () => zoomBy(1.5));
$("zoom-out").addEventListener("click", () => zoomBy(1 / 1.5));
$("zoom-reset").addEventListener("click", () => zoomBy(0));
// the address keeps the view, and inside a frame a link to it would lead to the page around
document.querySelector(".skip").addEventListener("click", event => { event.preventDefault(); $("pinned").focus(); });
dark.addEventListener("change", drawLegends);
addEventListener("hashchange", restore);
new ResizeObserver(resize).observe(canvas);
drawLegends();
resize();
restore();
window.PAGE = {showVisitor, clearVisitor, task: () => tasks[state.task].name};
// for tests and measurements: where a text lies in the window now
window.placeOf = i => { const box = canvas.getBoundingClientRect(), [x, y] = placeOf(i); return [box.left + x, box.top + y]; };
})();
