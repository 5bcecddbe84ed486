// What a form with a place gains where scripts run: a point on a map or by position; and photos made small before they are sent.
export {};

type Words = Record<"chosen" | "tap" | "outside" | "refused" | "waiting" | "failed" | "zoom_in" | "zoom_out", string>;

const POSITION = { enableHighAccuracy: true, timeout: 15_000, maximumAge: 60_000 };

function place(box: HTMLElement): void {
  const words = JSON.parse(box.dataset.words ?? "{}") as Words;
  const bounds = (box.dataset.spot ?? "").split(",").map(Number) as [number, number, number, number];
  const said = box.querySelector<HTMLElement>("[data-said]")!;
  const ground = box.querySelector<HTMLElement>("[data-ground]")!;
  const opener = box.querySelector<HTMLButtonElement>("[data-map]")!;
  const fields = ["longitude", "latitude"].flatMap((name) => box.querySelector<HTMLInputElement>(`input[name=${name}]`) ?? []);
  const written = box.closest("form")!.querySelector<HTMLInputElement>("input[name=point]"); // "lat, lon", where people may type it
  let shown: Promise<(at: [number, number]) => void> | null = null;

  const choose = (at: [number, number]): boolean => {
    const [west, south, east, north] = bounds;
    const inside = at[0] >= west && at[0] <= east && at[1] >= south && at[1] <= north;
    fields.forEach((field, axis) => {
      field.disabled = !inside;
      field.value = inside ? at[axis]!.toFixed(6) : "";
    });
    if (written && inside) written.value = `${at[1].toFixed(5)}, ${at[0].toFixed(5)}`;
    said.textContent = inside ? words.chosen : words.outside;
    return inside;
  };
  const open = (): NonNullable<typeof shown> => {
    opener.setAttribute("aria-expanded", "true");
    ground.hidden = false;
    shown ??= import("./spotmap").then(({ draw }) => draw(ground, bounds, words, choose, pair(box.dataset.view)));
    return shown;
  };

  opener.addEventListener("click", () => {
    said.textContent = words.tap;
    open().then((go) => stands && go(stands)).catch((error: unknown) => {
      console.error(error);
      ground.hidden = true;
      said.textContent = words.failed;
    });
  });
  const here = box.querySelector<HTMLButtonElement>("[data-here]")!;
  here.hidden = !("geolocation" in navigator);
  here.addEventListener("click", () => {
    said.textContent = words.waiting;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        const at: [number, number] = [coords.longitude, coords.latitude];
        if (choose(at)) open().then((go) => go(at)).catch(() => (ground.hidden = true)); // without a line there is no map
      },
      () => (said.textContent = words.refused),
      POSITION,
    );
  });
  const stands = pair(box.dataset.stands); // what is corrected is shown where it is
  const known = pair(box.dataset.point);
  if (known) choose(known);
  box.hidden = false;
}

function pair(said: string | undefined): [number, number] | null {
  return said ? (said.split(",").map(Number) as [number, number]) : null;
}

/** The photos of a form, each at most `side` pixels long: a telephone's eight megabytes become half of one. */
async function shrink(input: HTMLInputElement, side: number): Promise<void> {
  const small = new DataTransfer();
  for (const file of input.files ?? []) small.items.add(await smaller(file, side).catch(() => file));
  input.files = small.files;
}

async function smaller(file: File, side: number): Promise<File> {
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, side / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(picture.width * scale), Math.round(picture.height * scale)];
  canvas.getContext("2d")!.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  const made = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/jpeg", 0.85));
  return made && made.size < file.size ? new File([made], "anh.jpg", { type: "image/jpeg" }) : file;
}

document.querySelectorAll<HTMLElement>("[data-spot]").forEach(place);
document.querySelectorAll<HTMLFormElement>("form[data-photos]").forEach((form) => {
  form.addEventListener("submit", (event) => {
    const input = form.querySelector<HTMLInputElement>("input[type=file]")!;
    event.preventDefault();
    if (form.dataset.sent) return; // a second tap
    form.dataset.sent = "1";
    // Who listens to "ready" may send it another way.
    const send = (): void => void (form.dispatchEvent(new Event("ready", { bubbles: true, cancelable: true })) && form.submit());
    void shrink(input, Number(form.dataset.photos)).finally(send);
  });
});
// Back from the next page the form is a new one.
window.addEventListener("pageshow", () => document.querySelectorAll<HTMLFormElement>("form[data-photos]").forEach((form) => delete form.dataset.sent));
