import { styleText } from 'node:util'
import { table } from '../../src/cli/output.ts'
import type { SourceFigures } from './figures.ts'

/** Batch runs and alerts that stay in sight on a terminal. */
const EVENTS_SHOWN = 8
/** Without a terminal, time between two lines of figures. */
const LINE_EVERY_MS = 5_000

export type Tone = 'plain' | 'alert'

/** Where the demonstration is seen: redrawn in place on a terminal, line after line where the output is a file or a pipe. */
export interface Screen {
  figures(nowMs: number, sources: readonly SourceFigures[]): void
  event(text: string, tone: Tone): void
  /** The last picture stays; from here on the output is the caller's. */
  end(): void
}

export function createScreen(out: NodeJS.WriteStream): Screen {
  return out.isTTY ? new LiveScreen(out) : new PlainScreen(out)
}

class LiveScreen implements Screen {
  readonly #out: NodeJS.WriteStream
  readonly #events: string[] = []
  #linesDrawn = 0

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  figures(_nowMs: number, sources: readonly SourceFigures[]): void {
    const head = ['source', 'state', 'records/s', 'buffered', 'offset in the log']
    const rows = sources.map(({ source, state, recordsPerSecond, buffered, offset }) => [
      source,
      state,
      recordsPerSecond.toFixed(1),
      buffered,
      offset ?? 0,
    ])
    const [title = '', ...body] = table(head, rows).split('\n')
    const empty = styleText('dim', '(batch runs and alerts appear here)')
    const lines = [styleText('bold', title), ...body, '', ...(this.#events.length > 0 ? this.#events : [empty])]
    // Longer lines would wrap, and the next picture would start in the middle of this one.
    const fitting = lines.map(line => clip(line, this.#out.columns || 80))
    const up = this.#linesDrawn > 0 ? `\x1b[${this.#linesDrawn}A\x1b[0J` : ''
    this.#out.write(`${up}${fitting.join('\n')}\n`)
    this.#linesDrawn = fitting.length
  }

  event(text: string, tone: Tone): void {
    const line = `${styleText('dim', clockTime())}  ${text}`
    this.#events.push(tone === 'alert' ? styleText('yellow', line) : line)
    if (this.#events.length > EVENTS_SHOWN) this.#events.shift()
  }

  end(): void {
    this.#out.write('\n')
  }
}

class PlainScreen implements Screen {
  readonly #out: NodeJS.WriteStream
  #nextLineMs = 0

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  figures(nowMs: number, sources: readonly SourceFigures[]): void {
    if (nowMs < this.#nextLineMs) return
    this.#nextLineMs = nowMs + LINE_EVERY_MS
    const each = sources.map(
      ({ source, recordsPerSecond, buffered, offset }) =>
        `${source} ${recordsPerSecond.toFixed(1)}/s, ${buffered} buffered, offset ${offset ?? 0}`,
    )
    this.#out.write(`${clockTime()}  ${each.join(' · ')}\n`)
  }

  event(text: string): void {
    this.#out.write(`${clockTime()}  ${text}\n`)
  }

  end(): void {}
}

function clockTime(): string {
  return new Date().toTimeString().slice(0, 8)
}

/** The first `columns` characters that can be seen; colour codes take no room. */
function clip(line: string, columns: number): string {
  let seen = 0
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a colour code starts with one
  return line.replace(/\x1b\[[0-9;]*m|[^\x1b]/g, part => (part.length > 1 || seen++ < columns ? part : ''))
}
