/** Real listeners and dialled links for tests: an authority, a labd that judges its peers, an agent. */
import type { Socket } from 'node:net';
import { sampleCa, type SampleCa, type SampleLeaf } from '@labmesh/pki/testing/sample-ca';
import { serverIdentityCheck } from '@labmesh/pki/server-identity';
import { verifyPeer } from '@labmesh/pki/verify-peer';
import { dialLink, type DialOptions } from '../dial.ts';
import { Link, type LinkHandlers } from '../link.ts';
import { listenMtls, type MtlsListener, type MtlsListenerOptions } from '../mtls-listener.ts';
import { upgradeToFrames } from '../ws-socket.ts';
import { testHello, testHelloOk } from './link-pair.ts';

export const agentId = '01900000-0000-7000-8000-00000000000a';
export const trustDomain = 'labmesh.internal';

export class MtlsRig implements AsyncDisposable {
  readonly ca: SampleCa;
  readonly labd: SampleLeaf;
  readonly agent: SampleLeaf;
  readonly #listeners: MtlsListener[] = [];

  private constructor(ca: SampleCa, labd: SampleLeaf, agent: SampleLeaf) {
    this.ca = ca;
    this.labd = labd;
    this.agent = agent;
  }

  static async make(): Promise<MtlsRig> {
    const ca = await sampleCa();
    return new MtlsRig(ca, await ca.leaf('labd', agentId), await ca.leaf('agent', agentId));
  }

  certificateOf(leaf: SampleLeaf): { key: string; cert: string } {
    return { key: leaf.key.privatePem, cert: leaf.certificatePem + this.ca.chainPem };
  }

  /** A listener whose upgrades become links, as labd makes them: the peer is judged by its certificate (LD-4). */
  async listen(handlers: LinkHandlers = {}, more: Partial<MtlsListenerOptions> = {}): Promise<MtlsListener> {
    const hello = (link: Link) => link.accept(testHelloOk);
    const listener = await listenMtls({
      host: '127.0.0.1',
      port: 0,
      ...this.certificateOf(this.labd),
      onRequest: (_request, response) => response.end('hello'),
      onUpgrade: (request, socket, head) => {
        const peer = socket.getPeerCertificate(true);
        try {
          const chain = [peer.issuerCertificate?.raw].filter((one) => one !== undefined);
          const { bundlePem } = this.ca;
          verifyPeer({ leafDer: peer.raw, chain, bundlePem, now: Date.now(), trustDomain, eku: 'client' });
        } catch {
          socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
          return;
        }
        const all = { hello, ...handlers };
        upgradeToFrames(request, socket, head, (frames) => void new Link(frames, all, { side: 'even' }));
      },
      ...more,
    });
    this.#listeners.push(listener);
    return listener;
  }

  dialOptions(listener: MtlsListener, leaf: SampleLeaf = this.agent): DialOptions {
    const { key, cert } = this.certificateOf(leaf);
    const { bundlePem } = this.ca;
    return {
      url: `wss://127.0.0.1:${listener.port}/ws/agent`,
      subprotocol: 'labmesh.link.v1',
      identity: { keyPem: key, chainPem: cert },
      bundlePem,
      checkServerIdentity: serverIdentityCheck({ bundlePem, trustDomain }),
    };
  }

  async dial(listener: MtlsListener, handlers: LinkHandlers = {}): Promise<Link> {
    const link = new Link(await dialLink(this.dialOptions(listener)), handlers, { side: 'odd' });
    await link.hello(testHello);
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of this.#listeners) await listener.close();
  }
}

/** Resolves when the socket is closed, by whomever. */
export const ended = (socket: Socket) =>
  new Promise<void>((resolve) => void socket.on('close', () => resolve()).on('error', () => {}));
