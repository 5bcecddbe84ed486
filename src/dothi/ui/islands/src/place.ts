// Where markers go so that none covers another: the worst keep their place, others move aside a little or join a group.
export interface Spot {
  id: string;
  x: number;
  y: number;
  width: number;
}

export interface Placed {
  ids: string[]; // the first is the worst, whose value is shown
  x: number; // the true place on screen
  y: number;
  dx: number; // how far aside the label stands
  dy: number;
}

export const HEIGHT = 22;
const GAP = 3;
const CELL = 96;

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
  owner: Placed;
}

/** Places `spots`, which come worst first. Every label is `height` high and `width` wide, centred on its place. */
export function place(spots: readonly Spot[], height = HEIGHT): Placed[] {
  const grid = new Map<string, Box[]>();
  const result: Placed[] = [];

  const cells = (box: Omit<Box, "owner">): string[] => {
    const keys: string[] = [];
    for (let column = Math.floor(box.left / CELL); column <= Math.floor(box.right / CELL); column++) {
      for (let row = Math.floor(box.top / CELL); row <= Math.floor(box.bottom / CELL); row++) keys.push(`${column}:${row}`);
    }
    return keys;
  };
  const hit = (box: Omit<Box, "owner">): Placed | null => {
    for (const key of cells(box)) {
      for (const other of grid.get(key) ?? []) {
        if (box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom) return other.owner;
      }
    }
    return null;
  };

  for (const spot of spots) {
    const wide = spot.width + GAP;
    const high = height + GAP;
    const aside: [number, number][] = [
      [0, 0], [0, -high], [0, high], [wide, 0], [-wide, 0],
      [wide * 0.7, -high], [-wide * 0.7, -high], [wide * 0.7, high], [-wide * 0.7, high],
    ];
    let joined: Placed | null = null;
    let free = false;
    for (const [dx, dy] of aside) {
      const left = spot.x + dx - wide / 2;
      const top = spot.y + dy - high / 2;
      const box = { left, top, right: left + wide, bottom: top + high };
      const owner = hit(box);
      if (owner) {
        joined ??= owner;
        continue;
      }
      const placed: Placed = { ids: [spot.id], x: spot.x, y: spot.y, dx, dy };
      for (const key of cells(box)) {
        const list = grid.get(key);
        if (list) list.push({ ...box, owner: placed });
        else grid.set(key, [{ ...box, owner: placed }]);
      }
      result.push(placed);
      free = true;
      break;
    }
    if (!free) joined?.ids.push(spot.id);
  }
  return result;
}
