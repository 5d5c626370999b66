// The frame of views that are read from top to bottom.
import type { ComponentChildren } from "preact";

/** A view with its heading. */
export function Page({
  title,
  children,
  aside,
}: {
  title: string;
  children: ComponentChildren;
  aside?: ComponentChildren;
}) {
  return (
    <main class="page" id="main" tabIndex={-1}>
      <div class="page-inner">
        <header class="page-head">
          <h1>{title}</h1>
          {aside}
        </header>
        {children}
      </div>
    </main>
  );
}

/** Links between the parts of a view. */
export function Tabs({
  label,
  open,
  tabs,
}: {
  label: string;
  open: string;
  tabs: readonly (readonly [string, string, string])[];
}) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map(([name, text, href]) => (
        <a key={name} href={href} aria-current={name === open ? "page" : undefined}>
          {text}
        </a>
      ))}
    </nav>
  );
}
