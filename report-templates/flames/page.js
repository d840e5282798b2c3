// Puts the panels on the page, and follows its links.

// A link's view and profile; nothing if it is no link of ours.
const linked = () => {
  const hash = location.hash.replace(/^#/, "");
  if (!hash.startsWith("flame=")) return null;
  const decode = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  const [who, ...parts] = hash.slice("flame=".length).split("&").map(decode);
  const view = Panel.everything();
  if (who === "kernel") view.kernel = true;
  else if (who) view.who = who;
  let profile = "cpu";
  for (const part of parts) {
    const place = part.indexOf("=");
    const [name, value] = place < 0 ? [part, ""] : [part.slice(0, place), part.slice(place + 1)];
    if (["cpu", "from", "to"].includes(name) && value !== "" && Number.isFinite(Number(value))) view[name] = Number(value);
    else if (["kernel", "threads", "reverse", "icicle", "only"].includes(name)) view[name] = true;
    else if (name === "search") view.search = value;
    else if (name === "profile") profile = value;
  }
  return { view, profile, link: "flame=" + hash.slice("flame=".length).split("&profile=")[0] };
};

// A tag that does not stand in this script, which is part of a page itself.
const tag = (name) => "<" + name + ">";

// Pictures are made when they are opened; what the page shows without scripts is their source.
const open = (details) => {
  const source = details.querySelector("noscript");
  if (!source) return;
  const text = new DOMParser().parseFromString(source.textContent, "text/html");
  const old = text.querySelector("iframe");
  const script = document.getElementById("picture-script").textContent;
  const picture = old.getAttribute("srcdoc");
  const frame = document.createElement("iframe");
  frame.className = "live";
  frame.title = old.title;
  frame.height = old.height;
  frame.srcdoc = picture + tag("script") + script + tag("/script");
  const svg = picture.slice(picture.indexOf("<svg"));
  const save = document.createElement("a");
  save.textContent = "Save as SVG";
  save.download = details.dataset.link.replace(/^flame=/, "").replace(/[^A-Za-z0-9.-]+/g, "-") + ".svg";
  save.href = "#";
  save.addEventListener("click", () => {
    const end = svg.lastIndexOf(tag("/svg"));
    const live = tag("script") + "<![CDATA[" + script + "]]>" + tag("/script");
    const whole = svg.slice(0, end) + live + svg.slice(end);
    save.href = URL.createObjectURL(new Blob([whole], { type: "image/svg+xml" }));
  });
  source.replaceWith(frame, save);
};

const panels = Array.from(document.querySelectorAll(".flames"), (element) => new Panel(element));
const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) panels.find((panel) => panel.element === entry.target).open();
    }
  },
  { rootMargin: "300px" },
);
for (const panel of panels) seen.observe(panel.element);
for (const details of document.querySelectorAll("details.picture")) {
  details.open = false;
  details.addEventListener("toggle", () => details.open && open(details));
}
const follow = () => {
  const wanted = linked();
  const panel = wanted && panels.find((panel) => panel.name === wanted.profile);
  if (!panel) return;
  panel.open();
  if (panel.profile) {
    panel.view = wanted.view;
    panel.refresh();
  }
  for (const details of panel.element.querySelectorAll("details.picture")) {
    if (details.dataset.link === wanted.link) details.open = true;
  }
  // Not by way of other panels, which would open and push this one down.
  panel.element.scrollIntoView({ behavior: "instant" });
};
window.addEventListener("hashchange", follow);
follow();
