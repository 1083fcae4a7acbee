import { type Document, isMap, isScalar, LineCounter, type Node, visit } from 'yaml'
import type { z } from 'zod'
import { fileReasonOf, messageOf } from '../runtime/errors.ts'
import { NAME_RULE } from '../runtime/names.ts'
import { ALIASES_MAX, parseYaml, readYamlFile } from '../runtime/yaml.ts'
import { ConfigError, type ConfigIssue } from './errors.ts'
import { explain } from './explain.ts'
import { placeInScalar, type ScalarStyle } from './scalar-place.ts'

/** What is wrong beyond so much is counted, not told: it takes time to find each place, and nobody reads on. */
const ISSUES_MAX = 100

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
    let text: string
    try {
      text = readYamlFile(file)
    } catch (error) {
      throw new ConfigError([{ file, line: 1, column: 1, message: `cannot be read: ${fileReasonOf(error)}` }])
    }
    return ConfigDocument.parse(file, text)
  }

  static parse(file: string, text: string): ConfigDocument {
    const lines = new LineCounter()
    const fail = (message: string) => new ConfigError([{ file, line: 1, column: 1, message }])
    if (text.includes('\0')) throw fail('is not text')
    const { document, errors } = parseYaml(text, lines)
    if (errors.length > 0) {
      throw new ConfigError(
        firstOf(errors, ({ message, at }) => {
          const { line, col } = lines.linePos(at)
          return { file, line, column: col, message: `is not YAML: ${message}` }
        }),
      )
    }
    if (!isMap(document.contents)) throw fail(document.contents === null ? 'is empty' : 'has to be a mapping of keys to values')
    return new ConfigDocument(file, text, document, lines)
  }

  /** What the schema makes of it, after `prepare` has filled in what the file leaves to others; throws {@link ConfigError} with all that is wrong. */
  as<Schema extends z.ZodType>(schema: Schema, prepare: (value: unknown) => unknown = value => value): z.output<Schema> {
    let value: unknown
    try {
      value = prepare(this.#document.toJS({ maxAliasCount: ALIASES_MAX }))
    } catch (error) {
      throw new ConfigError([{ file: this.file, line: 1, column: 1, message: `cannot be taken apart: ${messageOf(error)}` }])
    }
    const reserved = this.#reservedKeys()
    if (reserved.length > 0) throw new ConfigError(reserved)
    const parsed = schema.safeParse(value)
    if (parsed.success) return parsed.data
    const told = explain(parsed.error.issues, schema, value)
    throw new ConfigError(
      firstOf(told, ({ path, message, atKey, offset }) =>
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

  /** Whether the file itself says this, and not a default. */
  has(path: Path): boolean {
    return this.#document.hasIn(path)
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

/** The first issues at their places, and how many more there are. */
function firstOf<Found>(found: readonly Found[], issueOf: (each: Found) => ConfigIssue): ConfigIssue[] {
  const issues = found.slice(0, ISSUES_MAX).map(issueOf)
  const last = issues.at(-1)
  const more = found.length - issues.length
  return last && more > 0 ? [...issues, { ...last, message: `and ${more} more` }] : issues
}
