// Published reports on a map with streets: opened when somebody asks for it; the drawing stands in its place until then.
import { part } from "./list";

class ReportsMap extends HTMLElement {
  connectedCallback(): void {
    const open = part(this, "open");
    open.hidden = false;
    open.addEventListener("click", () => {
      open.setAttribute("aria-expanded", "true");
      part(this, "box").hidden = false;
      part(this, "drawing").toggleAttribute("hidden", true); // a drawing has no property of that name
      open.hidden = true;
      import("./reportsmap")
        .then(({ draw }) => draw(this))
        .catch((error: unknown) => {
          console.error(error);
          part(this, "box").hidden = true;
          part(this, "drawing").toggleAttribute("hidden", false);
          part(this, "said").textContent = this.dataset["failed"] ?? "";
        });
    });
  }
}

customElements.define("dt-reports", ReportsMap);
