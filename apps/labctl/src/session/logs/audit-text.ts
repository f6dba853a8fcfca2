/** An audit row on one line, for people. */
import type { AuditRow } from '@labmesh/wire/fleet/resources/records';
import { safeText } from '../../terminal/safe-text.ts';

export function auditText(row: AuditRow): string {
  const { at, principal, action, phase, resource, result, code, sourceIp, durationMs } = row;
  const words = [
    at,
    `${principal.kind}:${principal.name}`,
    phase === 'single' ? action : `${action}(${phase})`,
    resource ?? '-',
    code === undefined ? result : `${result} ${code}`,
    sourceIp === undefined ? '' : `from ${sourceIp}`,
    durationMs === undefined ? '' : `${Math.round(durationMs)}ms`,
  ];
  return `${safeText(words.filter((word) => word !== '').join(' '))}\n`;
}
