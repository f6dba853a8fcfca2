/** The small types that link payloads are made of (network plane 3.1, "Types"). Numbers are finite. */
import { z } from 'zod';

export const idField = z.string().regex(/^[A-Za-z0-9._:/-]{1,128}$/, 'expected 1–128 of A-Z a-z 0-9 . _ : / -');
const noControls = /^\P{Cc}*$/u;
/** No control characters: the id ends up in logs, labels and headers. */
export const modelIdField = z.string().min(1).max(256).regex(noControls, 'expected no control characters');
export const textField = z.string().max(512);
/** Integer ≥ 0. */
export const countField = z.number().int().min(0);
export const amountField = z.number().min(0);
/** RFC 3339; what we write ends in Z, what we read may have an offset. */
export const timestampField = z.iso.datetime({ offset: true });
export const slugField = z.string().regex(/^[0-9A-Za-z]{1,11}$/, 'expected 1–11 letters and digits');
export const slotsField = z.number().int().min(0).max(1_024);
/** '' = the operator's default. */
export const tenantField = z.string().max(64).regex(noControls, 'expected no control characters');
export const rolesField = z.array(idField).max(16);

/** State of a node or an agent, and the mode its operator put it in (network plane 2.7, M1). */
export const nodeStateField = z.enum(['starting', 'running', 'degraded', 'maintenance', 'error', 'stopping']);
export const nodeModeField = z.enum(['normal', 'maintenance', 'drain']);
