/** Feeds of runs whose events are also told to who listens to the tenant: what happened, without the words of models. */
import type { ArenaEvent } from '@labmesh/wire/verification/arena-run';
import type { StoredRun } from '../../rows/run-rows.ts';
import { RunFeed } from '../run-feed.ts';
import { LiveNews } from './live-news.ts';

type Run = Pick<StoredRun, 'id' | 'tenant' | 'mode'>;
type Data = Record<string, unknown>;

/** What of an event everybody of the tenant may hear at once. Texts, and what programs printed, are asked for. */
export function newsOf(event: ArenaEvent): Data {
  switch (event.event) {
    case 'verdict': {
      const { status, pluginName, code, hard, level, durationMs } = event.verdict;
      const { index, attempt } = event;
      return { event: 'verdict', index, attempt, verdict: { status, pluginName, code, hard, level, durationMs } };
    }
    case 'terminated': {
      const { details: _, ...rest } = event;
      return rest;
    }
    case 'result': {
      const { runId, model, finishReason, usage, report } = event;
      const { status, certificate_id: certificateId } = report;
      return { event: 'result', runId, model, finishReason, usage, status, certificateId };
    }
    case 'error': {
      const { code, retryAfterS, runId } = event;
      return { event: 'error', code, retryAfterS, runId };
    }
    case 'candidate': {
      // Of an engine's words: what it said when it failed.
      const { reason: _, ...rest } = event;
      return rest;
    }
    // Numbers and words of our own. Each is named: another event is not told of before somebody looked at what it says.
    case 'accepted':
    case 'tool':
    case 'outcome':
    case 'correction':
    case 'match':
      return event;
  }
}

export class RunFeeds {
  readonly news = new LiveNews();

  /** @param onReaders is told how many read, each time one comes or goes */
  open(run: Run, onReaders: (count: number) => void): RunFeed {
    const { id: runId, tenant, mode } = run;
    this.news.tell(tenant, 'runs', () => ({ event: 'state', runId, mode, state: 'queued' }));
    let hasMatches = false;
    return new RunFeed(onReaders, {
      onState: (state) => this.news.tell(tenant, 'runs', () => ({ event: 'state', runId, mode, state })),
      onEvent: (event) => {
        hasMatches ||= event.event === 'match';
        this.news.tell(tenant, `run:${runId}`, () => newsOf(event));
        if (event.event === 'result' || event.event === 'error') this.#ended(run, event, hasMatches);
      },
    });
  }

  /** Its rows are written: who looks now finds it so. */
  #ended({ id: runId, tenant, mode }: Run, event: ArenaEvent, hasMatches: boolean): void {
    const { news } = this;
    news.tell(tenant, 'runs', () => ({ ...newsOf(event), runId, mode }));
    news.tell(tenant, 'stats', () => ({ event: 'changed' }));
    if (hasMatches) news.tell(tenant, 'leaderboard', () => ({ event: 'changed' }));
    const certificateId = event.event === 'result' ? event.report.certificate_id : null;
    if (certificateId !== null) news.tell(tenant, 'certificates', () => ({ event: 'issued', certificateId, runId }));
  }
}
