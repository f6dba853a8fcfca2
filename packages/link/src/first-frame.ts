/** What begins a channel: OPEN or RESUME, and between replicas an OPEN that holds one of them and who asked (RP-1). */
import { encodeFrame, firstFault } from '@labmesh/wire/frame/codec';
import { frameLimits } from '@labmesh/wire/frame/frame-types';
import { peerOpenSchema, type PeerOpen, type Resume, resumeSchema } from '@labmesh/wire/frame/messages';
import { type Open, openSchema } from '@labmesh/wire/frame/open';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { z } from 'zod';

export type First = { type: 'open'; open: Open } | { type: 'resume'; resume: Resume };
/** `principal` was decided by the replica that sends it; the receiver only reaches its agent. */
type AgentFirst = { type: 'peer'; principal: Principal; agentId: string; first: First };
/** One TCP connection to the proxy of a node that the receiver's hub has; `address` is IPv4, within the tunnel (tunnel H6). */
export type NodeFirst = { type: 'node'; principal: Principal; address: string };
export type PeerFirst = AgentFirst | NodeFirst;

/** A first frame that asks for nothing known. The channel is closed as `protocol` with this text. */
export class BadFirst extends Error {}

function parsed<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const result = schema.safeParse(body);
  if (!result.success) throw new BadFirst(firstFault(result.error));
  return result.data;
}

/** The window that an OPEN asks for, per stream (HB-4). */
export const windowOf = (open: Open | NodeFirst): number =>
  ('window' in open ? open.window : undefined) ?? frameLimits.windowBytes;

/** @throws BadFirst */
export const parseOpen = (body: unknown): First => ({ type: 'open', open: parsed(openSchema, body) });

/** @throws BadFirst */
export function parsePeerFirst(body: unknown): PeerFirst {
  const { principal, agentId, open, resume, node: address } = parsed(peerOpenSchema, body);
  if ([open, resume, address].filter((one) => one !== undefined).length !== 1) {
    throw new BadFirst('give one of open, resume and node');
  }
  if (address !== undefined) return { type: 'node', principal, address };
  if (agentId === undefined) throw new BadFirst('agentId is missing');
  const first: First = open === undefined ? { type: 'resume', resume: parsed(resumeSchema, resume) } : parseOpen(open);
  return { type: 'peer', principal, agentId, first };
}

function peerBody(first: PeerFirst): PeerOpen {
  if (first.type === 'node') return { principal: first.principal, node: first.address };
  const inner = first.first.type === 'open' ? { open: first.first.open } : { resume: first.first.resume };
  return { principal: first.principal, agentId: first.agentId, ...inner };
}

/** @throws ProtocolError when it does not fit a frame. */
export function encodeFirst(channel: number, first: First | PeerFirst): Uint8Array {
  if (first.type === 'open') return encodeFrame({ type: 'open', channel, body: first.open });
  if (first.type === 'resume') return encodeFrame({ type: 'resume', channel, body: first.resume });
  return encodeFrame({ type: 'open', channel, body: peerBody(first) });
}
