// Times, as the person's own device shows them.
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const long = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });

const DAY = 24 * 60 * 60 * 1000;

function midnight(time: Date): number {
  return new Date(time.getFullYear(), time.getMonth(), time.getDate()).getTime();
}

/** `Today`, `Yesterday`, a weekday of the last week, or the date. */
export function day(time: string): string {
  const date = new Date(time);
  const ago = Math.round((midnight(new Date()) - midnight(date)) / DAY);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  return ago > 1 && ago < 7 ? weekday.format(date) : long.format(date);
}

/** Hour and minute of today, else the day in short. */
export function brief(time: string): string {
  const date = new Date(time);
  return midnight(date) === midnight(new Date()) ? clock.format(date) : short.format(date);
}

/** Date and time. */
export function whole(time: string): string {
  return full.format(new Date(time));
}

/** A day, such as that of joining. */
export function date(time: string): string {
  return long.format(new Date(time));
}

/** A time that machines can read and that tells all of itself on hovering. */
export function Time({ at, form }: { at: string; form: "clock" | "brief" | "whole" }) {
  const text = form === "clock" ? clock.format(new Date(at)) : form === "brief" ? brief(at) : whole(at);
  return (
    <time dateTime={at} title={whole(at)}>
      {text}
    </time>
  );
}
