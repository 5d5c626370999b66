// Icons, drawn as strokes on a grid of 24.
const SHAPES = {
  talks: "M4 5h16v11H9l-5 4z",
  people:
    "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.4-3.7 3-5.5 6.5-5.5s6.1 1.8 6.5 5.5M16 4.3a3.5 3.5 0 0 1 0 6.4M18 14.9c2 .7 3.2 2.4 3.5 5.1",
  settings:
    "M4 7h9M17 7h3M4 17h3M11 17h9M15 7m-2.2 0a2.2 2.2 0 1 0 4.4 0 2.2 2.2 0 1 0-4.4 0M9 17m-2.2 0a2.2 2.2 0 1 0 4.4 0 2.2 2.2 0 1 0-4.4 0",
  shield: "M12 3l7 3v5c0 4.8-2.9 8.2-7 10-4.1-1.8-7-5.2-7-10V6z",
  pulse: "M3 12h4l3-7 4 14 3-7h4",
  stream: "M4 8c3-3 5 3 8 0s5 3 8 0M4 15c3-3 5 3 8 0s5 3 8 0",
  back: "M14 5l-7 7 7 7",
  plus: "M12 5v14M5 12h14",
  send: "M4 12L20 4l-6 16-3-7z",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  close: "M6 6l12 12M18 6L6 18",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l4.5 4.5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5.5l3.5 2",
  alert: "M12 8v5M12 16.5h.01M12 3l9.5 17h-19z",
  edit: "M5 19l1-4L16.5 4.5l3 3L9 18z",
  bin: "M5 7h14M10 4h4M7 7l1 13h8l1-13M10.5 11v5.5M13.5 11v5.5",
  lock: "M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3",
  leave: "M14 4H6v16h8M10 12h10M16.5 8.5L20 12l-3.5 3.5",
} as const;

export type IconName = keyof typeof SHAPES;

/** An icon. It says nothing to screen readers: what bears it has a name of its own. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={SHAPES[name]} />
    </svg>
  );
}
