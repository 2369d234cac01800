// The interface for screen readers: what the canvas shows, as elements that no one sees. `show` takes a list as JSON
// ({node, role, name, description, value, is_on, is_disabled, can_click, children}) and changes what has changed.
"use strict";
var ferkdMirror = (function () {
  // Elements by node; what a node said last stands beside it.
  const kept = new Map();
  let heard = function () {};

  function say(element, name, value) {
    if (value === null || value === undefined || value === "") {
      element.removeAttribute(name);
    } else if (element.getAttribute(name) !== String(value)) {
      element.setAttribute(name, value);
    }
  }

  function describe(element, one) {
    if (!one.role) {
      if (element.textContent !== one.name) element.textContent = one.name;
      return;
    }
    say(element, "role", one.role);
    say(element, "aria-label", one.name);
    say(element, "aria-description", one.description);
    // A field's value is its text; of a range it is a number.
    const isRange = ["slider", "spinbutton", "progressbar"].includes(one.role);
    say(element, "aria-valuenow", isRange ? one.value : null);
    say(element, "aria-valuetext", isRange ? one.value : null);
    const text = isRange ? "" : one.value || "";
    if (one.children.length === 0) {
      if (element.textContent !== text) element.textContent = text;
    } else if (element.firstChild instanceof Text) {
      element.firstChild.remove();
    }
    const state = { checkbox: "aria-checked", radio: "aria-checked", button: "aria-pressed" }[one.role];
    if (state) say(element, state, one.is_on);
    say(element, "aria-disabled", one.is_disabled ? "true" : null);
    // The keyboard is the canvas's: only a screen reader's own hand comes here.
    say(element, "tabindex", one.can_click ? "-1" : null);
  }

  function place(parent, list, seen) {
    let after = null;
    for (const one of list) {
      let element = kept.get(one.node);
      const tag = one.role ? "div" : "p";
      if (!element || element.localName !== tag) {
        if (element) element.remove();
        element = document.createElement(tag);
        element.dataset.node = one.node;
        kept.set(one.node, element);
      }
      seen.add(one.node);
      describe(element, one);
      const next = after ? after.nextSibling : parent.firstChild;
      if (element !== next) parent.insertBefore(element, next);
      after = element;
      if (one.role && one.children.length > 0) place(element, one.children, seen);
    }
  }

  return {
    show: function (json) {
      const root = document.getElementById("mirror");
      if (!root) return;
      const seen = new Set();
      place(root, JSON.parse(json), seen);
      for (const [node, element] of kept) {
        if (seen.has(node)) continue;
        element.remove();
        kept.delete(node);
      }
    },
    // `act` hears the node that was clicked.
    onClick: function (act) {
      heard = act;
      document.getElementById("mirror").addEventListener("click", function (event) {
        const element = event.target.closest("[data-node]");
        if (element && element.hasAttribute("tabindex") && !element.hasAttribute("aria-disabled")) heard(element.dataset.node);
      });
    },
  };
})();
