const INDENT = '  ';

/**
 * Valid JSON text, indented for people. Works on the text, so that numbers and the order of members
 * stay as they are.
 */
export function prettyJson(json: string): string {
  const out: string[] = [];
  let depth = 0;
  for (const [token] of json.matchAll(TOKEN)) {
    if (token === '{' || token === '[') {
      depth += 1;
      out.push(token, lineBreak(depth));
    } else if (token === '}' || token === ']') {
      depth -= 1;
      out.push(lineBreak(depth), token);
    } else if (token === ',') out.push(',', lineBreak(depth));
    else if (token === ':') out.push(': ');
    else out.push(token);
  }
  return `${out.join('')}\n`;
}

/** Empty containers, strings, punctuation, and everything else that is no white space. */
const TOKEN = /\{\s*\}|\[\s*\]|"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

const lineBreak = (depth: number): string => `\n${INDENT.repeat(depth)}`;
