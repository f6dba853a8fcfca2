/** What the probes saw, for people. */
import { levelName } from '@labmesh/executor/sandbox-settings';
import type { LevelReport } from '@labmesh/wire/verification/sandbox';
import { safeText } from '../terminal/safe-text.ts';
import { renderTable } from '../terminal/table.ts';

const headings = ['LEVEL', 'STATE', 'BACKEND', 'PLATFORM', 'OWN UID', 'CGROUP'];

/** A row a level, then what can be run in it, or what to install for it. */
export function levelText(reports: readonly LevelReport[], columns: number | undefined): string {
  const rows = reports.map(({ level, ready, backend, version, platform, uidIsolated, cgroup }) => [
    levelName(level),
    ready ? 'ready' : 'not ready',
    ready ? `${backend ?? '-'} ${version ?? ''}`.trim() : '-',
    platform,
    ready ? (uidIsolated ? 'yes' : 'no') : '-',
    ready ? cgroup : '-',
  ]);
  // Versions of the tools inside: an answer may need a newer one than runs here.
  const notes = reports.map(({ level, ready, reason, tools }) => {
    const seen = Object.entries(tools).map(([name, version]) => `${name} ${version}`);
    return `${levelName(level)}  ${safeText(ready ? `runs ${seen.join(', ') || 'nothing'}` : (reason ?? 'not ready'))}\n`;
  });
  return `${renderTable(headings, rows, { columns })}\n${notes.join('')}`;
}
