/** More than any fault of ours has to say. */
const textMax = 300;

/**
 * What a Conplane says, fit for a terminal and a line of the log: it must not move the cursor, name a window, or fill the
 * screen.
 */
export const saidText = (text: string): string =>
  text
    .slice(0, textMax)
    .replaceAll(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]+/gu, ' ')
    .toWellFormed();
