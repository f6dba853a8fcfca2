/** Signatures first. */
import type { Channel } from '@labmesh/link/channel';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';
import type { Open } from '@labmesh/wire/frame/open';
import type { Resume } from '@labmesh/wire/frame/messages';
import type { Answer } from './session-run.ts';

export type OpenedSession = {
  session: string;
  /** base64url of 16 bytes for OPEN_OK; only its hash stays here (HB-6). */
  token: string;
  answer: Answer;
  /** To call once OPEN_OK is on its way. */
  run(): Promise<void>;
};

export class Sessions {
  /** @throws Refused: the caller closes the channel with its reason and text. */
  open(_open: Open, _channel: Channel): Promise<OpenedSession> {
    throw new Error('soon');
  }
  /** The channel that RESUME goes on with; undefined: no such session, or another token or principal. */
  resume(_resume: Resume): Channel | undefined {
    throw new Error('soon');
  }
  /** Ids of live sessions, for HELLO and LIVE. */
  list(): string[] {
    return [];
  }
  get(_session: string): { kind: Open['kind']; channel: Channel } | undefined {
    return undefined;
  }
  end(_session: string, _reason: CloseReason, _text?: string): boolean {
    return false;
  }
  async endAll(_reason: CloseReason): Promise<void> {}
}
