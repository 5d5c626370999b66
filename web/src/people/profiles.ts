// Profiles by id, read once and in batches: whoever shows a name just names the id.
import { batch, signal, type Signal } from "@preact/signals";
import type { UserProfile } from "@nova/client";
import { nova } from "../session";

const MOST = 100;
const known = new Map<string, Signal<UserProfile | null | undefined>>();
let wanted = new Set<string>();
const asked = new Set<string>();

function entry(id: string): Signal<UserProfile | null | undefined> {
  let found = known.get(id);
  if (found === undefined) {
    found = signal(undefined);
    known.set(id, found);
  }
  return found;
}

/** Sees to it that these profiles are known soon. */
export function know(ids: readonly string[]): void {
  const missing = ids.filter((id) => entry(id).peek() === undefined && !asked.has(id));
  if (missing.length === 0) return;
  if (wanted.size === 0) queueMicrotask(() => void fetch());
  for (const id of missing) wanted.add(id);
}

async function fetch(): Promise<void> {
  const ids = [...wanted];
  wanted = new Set();
  for (let at = 0; at < ids.length; at += MOST) {
    const userIds = ids.slice(at, at + MOST);
    for (const id of userIds) asked.add(id);
    try {
      const { profiles } = await nova.user.getUserProfilesByIds({ userIds });
      batch(() => userIds.forEach((id) => (entry(id).value = profiles[id] ?? null)));
    } catch {
      // They stay unknown and are asked for when they are next shown.
    } finally {
      for (const id of userIds) asked.delete(id);
    }
  }
}

/** Takes a profile that came by another way. */
export function learn(profile: UserProfile): void {
  entry(profile.id).value = profile;
}

/** Forgets all, so that they are read anew. */
export function forgetProfiles(): void {
  for (const profile of known.values()) profile.value = undefined;
}

/** The profile, as soon as it is known; null if there is none that the caller may see. */
export function profileOf(id: string): UserProfile | null | undefined {
  if (entry(id).peek() === undefined) know([id]);
  return entry(id).value;
}

/** The name to show for somebody. */
export function nameOf(id: string): string {
  const profile = profileOf(id);
  if (profile === undefined) return "…";
  return profile?.displayName ?? "Somebody who is gone";
}
