import { readFileSync, statSync } from 'node:fs'
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml'
import type { z } from 'zod'
import { messageOf } from '../runtime/errors.ts'
import { NAME_RULE } from '../runtime/names.ts'
import { ConfigError, type ConfigIssue } from './errors.ts'
import { explain } from './explain.ts'
import { placeInScalar, type ScalarStyle } from './scalar-place.ts'

/** A configuration that a person wrote has a few kilobytes. */
const FILE_BYTES_MAX = 1024 * 1024
/** How often an anchor may be used: more is a bomb, not a configuration. */
const ALIASES_MAX = 100

type Path = readonly PropertyKey[]

/** A YAML file with the places of all that stands in it. */
export class ConfigDocument {
  readonly file: string
  readonly #document: Document.Parsed
  readonly #lines: LineCounter
  readonly #text: string

  private constructor(file: string, text: string, document: Document.Parsed, lines: LineCounter) {
    this.file = file
    this.#text = text
    this.#document = document
    this.#lines = lines
  }

  /** Reads and parses a file. Throws {@link ConfigError} with every error that YAML has. */
  static read(file: string): ConfigDocument {
    const fail = (message: string) => new ConfigError([{ file, line: 1, column: 1, message }])
    let text: string
    try {
      const { size } = statSync(file)
      if (size > FILE_BYTES_MAX) throw fail(`the file has ${size} bytes; a configuration may have ${FILE_BYTES_MAX}`)
      text = readFileSync(file, 'utf8')
    } catch (error) {
      if (error instanceof ConfigError) throw error
      throw fail(`cannot be read: ${messageOf(error)}`)
    }
    return ConfigDocument.parse(file, text)
  }

  static parse(file: string, text: string): ConfigDocument {
    const lines = new LineCounter()
    const fail = (message: string) => new ConfigError([{ file, line: 1, column: 1, message }])
    if (text.includes('\0')) throw fail('is not text')
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
    if (document.errors.length > 0) {
      throw new ConfigError(
        document.errors.map(error => {
          const { line, col } = lines.linePos(error.pos[0])
          return { file, line, column: col, message: `is not YAML: ${error.message}` }
        }),
      )
    }
    if (!isMap(document.contents)) throw fail(document.contents === null ? 'is empty' : 'has to be a mapping of keys to values')
    return new ConfigDocument(file, text, document as Document.Parsed, lines)
  }

  /** What the schema makes of it; throws {@link ConfigError} with all that is wrong. */
  as<Schema extends z.ZodType>(schema: Schema): z.output<Schema> {
    let value: unknown
    try {
      value = this.#document.toJS({ maxAliasCount: ALIASES_MAX })
    } catch (error) {
      throw new ConfigError([{ file: this.file, line: 1, column: 1, message: `cannot be taken apart: ${messageOf(error)}` }])
    }
    const reserved = this.#reservedKeys()
    if (reserved.length > 0) throw new ConfigError(reserved)
    const parsed = schema.safeParse(value)
    if (parsed.success) return parsed.data
    throw new ConfigError(
      explain(parsed.error.issues, schema, value).map(({ path, message, atKey, offset }) =>
        offset === undefined ? this.issue(path, message, atKey) : this.issueWithin(path, offset, message),
      ),
    )
  }

  /** A key that JavaScript takes for something else would be left out without a word. */
  #reservedKeys(): ConfigIssue[] {
    const issues: ConfigIssue[] = []
    visit(this.#document, {
      Pair: (_key, pair) => {
        if (!isScalar(pair.key) || pair.key.value !== '__proto__') return
        const { line, col } = this.#lines.linePos(pair.key.range?.[0] ?? 0)
        issues.push({ file: this.file, line, column: col, message: `"__proto__" ${NAME_RULE}` })
      },
    })
    return issues
  }

  /** An issue at the place of a path: its value, or its key where `atKey`; where it is missing, the nearest above it. */
  issue(path: Path, message: string, atKey = false): ConfigIssue {
    const offset = this.#offsetOf(path, atKey)
    const { line, col } = this.#lines.linePos(offset)
    return { file: this.file, line, column: col, message }
  }

  /** An issue at a character of a text, such as an expression: `offset` counts from 0 in what YAML makes of it. */
  issueWithin(path: Path, offset: number, message: string): ConfigIssue {
    const node = this.#document.getIn(path, true)
    if (!isScalar(node) || !node.range || !node.type) return this.issue(path, message)
    const at = placeInScalar(this.#text, node.range[0], node.type as ScalarStyle, offset)
    const { line, col } = this.#lines.linePos(at)
    return { file: this.file, line, column: col, message }
  }

  #offsetOf(path: Path, atKey: boolean): number {
    for (let length = path.length; length > 0; length--) {
      const parent = length === 1 ? this.#document.contents : this.#document.getIn(path.slice(0, length - 1), true)
      const key = path[length - 1]
      if (isMap(parent)) {
        const pair = parent.items.find(item => isScalar(item.key) && String(item.key.value) === String(key))
        const node = (atKey || length < path.length || !pair?.value ? pair?.key : pair.value) as Node | undefined
        if (node?.range) return node.range[0]
        continue
      }
      const node = this.#document.getIn(path.slice(0, length), true) as Node | undefined
      if (node?.range) return node.range[0]
    }
    return this.#document.contents?.range?.[0] ?? 0
  }
}
