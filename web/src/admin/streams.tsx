// How the event streams of the replica that answers are doing.
import type { GetStreamStatsResponse } from "@nova/client";
import { useRef } from "preact/hooks";
import { nova } from "../session";
import { Page } from "../ui/page";
import { whole } from "../ui/time";
import { usePoll } from "./poll";

const EVERY = 3000;
const KEPT = 60;

interface Look {
  stats: GetStreamStatsResponse;
  /** Events a second between this look and the one before, for each look that is kept. */
  rates: number[];
}

/** The page. */
export function Streams() {
  const before = useRef<{ at: number; delivered: number; rates: number[] } | null>(null);
  const { value, problem } = usePoll<Look>(async (signal) => {
    const stats = await nova.messaging.getStreamStats({}, { signal });
    const [at, delivered, last] = [Date.now(), Number(stats.eventsDelivered), before.current];
    // A replica that was started anew counts from 0 again.
    const rate = last === null ? [] : [Math.max(0, ((delivered - last.delivered) * 1000) / (at - last.at))];
    const rates = [...(last?.rates ?? []), ...rate].slice(-KEPT);
    before.current = { at, delivered, rates };
    return { stats, rates };
  }, EVERY);
  return (
    <Page title="Streams">
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {value && <Figures {...value} />}
    </Page>
  );
}

function Figures({ stats, rates }: Look) {
  const now = rates[rates.length - 1];
  return (
    <>
      <ul class="tiles">
        <Tile name="Open streams" value={count(stats.openStreams)} />
        <Tile name="People listening" value={count(stats.listeningUsers)} />
        <Tile name="Events delivered" value={count(stats.eventsDelivered)} />
        <Tile name="Slow readers cut off" value={count(stats.slowReaders)} isBad={stats.slowReaders !== "0"} />
        <Tile name="Behind the log" value={`${count(stats.logLagMs)} ms`} />
        <Tile name="Redis" value={stats.redisConnected ? "Connected" : "Not used"} />
      </ul>
      <figure class="chart">
        <figcaption>
          Events a second <strong>{now === undefined ? "–" : now.toFixed(now < 10 ? 1 : 0)}</strong>
        </figcaption>
        <Sparkline values={rates} />
      </figure>
      <p class="quiet-text">
        Of the replica that answers, which was started {whole(stats.startedAt)}. Asked every {EVERY / 1000} seconds.
      </p>
    </>
  );
}

function count(value: string): string {
  return Number(value).toLocaleString();
}

function Tile({ name, value, isBad = false }: { name: string; value: string; isBad?: boolean }) {
  return (
    <li class={`tile ${isBad ? "bad" : ""}`}>
      <span class="tile-name">{name}</span>
      <span class="tile-value">{value}</span>
    </li>
  );
}

function Sparkline({ values }: { values: number[] }) {
  const most = Math.max(1, ...values);
  const points = values.map((value, index) => `${(index * 100) / (KEPT - 1)},${30 - (value / most) * 28}`);
  return (
    <svg class="sparkline" viewBox="0 0 100 31" preserveAspectRatio="none" aria-hidden="true">
      {points.length > 1 && <polyline points={points.join(" ")} />}
    </svg>
  );
}
