import type { World } from '../command.ts';
import { paint } from './paint.ts';
import { safeText } from './safe-text.ts';

/** What happens now, on stderr: one line that is rewritten on a terminal, a line a step elsewhere. */
export interface Progress {
  step: (text: string) => void;
  /** Takes the line away, or ends it. */
  end: () => void;
}

const clearLine = '\r\u001b[2K';

export function startProgress(world: Pick<World, 'stderr' | 'stderrIsTerminal' | 'colourErr'>): Progress {
  const { dim } = paint(world.colourErr);
  let shown = '';
  return {
    step: (given) => {
      const text = safeText(given);
      // A log wants each step once, not each number of it.
      const same = world.stderrIsTerminal ? text : text.replace(/\d+ %$/, '');
      if (same === shown) return;
      shown = same;
      world.stderr(world.stderrIsTerminal ? `${clearLine}${dim(text)}` : `${text}\n`);
    },
    end: () => {
      if (shown !== '' && world.stderrIsTerminal) world.stderr(clearLine);
      shown = '';
    },
  };
}
