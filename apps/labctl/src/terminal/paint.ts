/** Colours that vanish where nobody sees them. */
export type Paint = {
  bold: (text: string) => string;
  dim: (text: string) => string;
  green: (text: string) => string;
  yellow: (text: string) => string;
  red: (text: string) => string;
};

const code = (on: number, off: number) => (text: string) => `\u001b[${on}m${text}\u001b[${off}m`;
const plain = (text: string) => text;
const coloured: Paint = {
  bold: code(1, 22),
  dim: code(2, 22),
  green: code(32, 39),
  yellow: code(33, 39),
  red: code(31, 39),
};
const bare: Paint = { bold: plain, dim: plain, green: plain, yellow: plain, red: plain };

export const paint = (colour: boolean): Paint => (colour ? coloured : bare);
