import { describe, expect, test } from 'bun:test';
import { fleetErrors, type FleetErrorCode } from '@labmesh/wire/fleet/fleet-errors';
import { exitCodeOf, exitCodes, exitCodesHelp, settingsExitCode } from './exit-codes.ts';

/** Every code of labd with its exit code, as scripts may rely on it: a change here is a change for them. */
const golden: Record<FleetErrorCode, number> = {
  VALIDATION_FAILED: 2,
  KEY_TYPE_REFUSED: 1,
  ROSENPASS_KEY_INVALID: 2,
  SELECTOR_UNTRUSTED: 2,
  UNAUTHENTICATED: 3,
  TOKEN_INVALID: 4,
  PERMISSION_DENIED: 4,
  ORIGIN_REFUSED: 4,
  REVOKED: 4,
  BANNED: 4,
  TOKEN_EXPIRED: 4,
  TOKEN_USED: 4,
  TOKEN_REVOKED: 4,
  TOKEN_SCOPE: 4,
  NOT_FOUND: 5,
  METHOD_NOT_ALLOWED: 1,
  CONFLICT: 8,
  STALE_REVISION: 8,
  SERVER_EXISTS: 8,
  PIN_MISMATCH: 8,
  LAST_ADMIN: 8,
  ESCALATION: 4,
  AGENT_NOT_CONNECTED: 6,
  WAITING_APPROVAL: 8,
  CA_PHASE: 8,
  PAYLOAD_TOO_LARGE: 1,
  WRONG_LISTENER: 3,
  VERSION_UNSUPPORTED: 1,
  RATE_LIMITED: 1,
  INTERNAL: 1,
  NOT_AVAILABLE: 1,
  STORE_UNAVAILABLE: 6,
  STORE_CONFLICT: 6,
  AUDIT_UNAVAILABLE: 1,
  RECORDING_UNAVAILABLE: 1,
  REVOCATION_STALE: 6,
  SHUTTING_DOWN: 6,
  AGENT_TIMEOUT: 7,
};

describe('exit codes (CT-8)', () => {
  test('each code of labd has the one it is known by', () => {
    const found: Record<string, number> = Object.fromEntries(
      Object.entries(fleetErrors).map(([code, { status }]) => [code, exitCodeOf(code, status)]),
    );
    expect(found).toEqual({ ...golden } as Record<string, number>);
  });

  test('a code of a newer labd goes by its status', () => {
    expect([403, 404, 409, 500, 503, 418].map((status) => exitCodeOf('BRAND_NEW', status))).toEqual([4, 5, 8, 1, 6, 1]);
    expect(exitCodeOf(undefined, 502)).toBe(6);
    expect(exitCodeOf('toString', 404)).toBe(5);
  });

  test('the help names the numbers of the table', () => {
    for (const code of [0, 1, 2, 3, 4, 5, 6, 7, 8, 130]) {
      expect(Object.values(exitCodes) as number[]).toContain(code);
      expect(exitCodesHelp).toContain(`${code} `);
    }
    expect([2, 3, 4, 8].map(settingsExitCode)).toEqual([2, 3, 3, 8]);
  });
});
