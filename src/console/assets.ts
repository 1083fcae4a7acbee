import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { constants, gzipSync } from 'node:zlib'

const PAGE_DIR = fileURLToPath(new URL('./page', import.meta.url))
const INDEX = 'index.html'
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.ts': 'text/javascript; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

export interface Asset {
  readonly type: string
  readonly bytes: Buffer
  readonly gzip: Buffer
  readonly etag: string
}

/**
 * All that the page is made of. A file is read, and compressed, when it is first asked for: a core that nobody looks at does not pay for its page.
 * The page's TypeScript is served with its types taken out.
 */
export class Assets {
  readonly #ready = new Map<string, Asset>()
  /** Files by path, such as `/assets/main.ts`. */
  readonly #files: ReadonlyMap<string, string>
  /** SHA-256 of scripts that stand in the page itself, base64: what its policy lets run. */
  readonly scriptHashes: readonly string[]

  constructor() {
    const own = readdirSync(PAGE_DIR).filter(name => name !== INDEX && typeOf(name) !== undefined)
    const uplot = dirname(createRequire(import.meta.url).resolve('uplot'))
    this.#files = new Map([
      ['/', join(PAGE_DIR, INDEX)],
      ...own.map((name): [string, string] => [`/assets/${name}`, join(PAGE_DIR, name)]),
      ['/assets/uplot.js', join(uplot, 'uPlot.esm.js')],
      ['/assets/uplot.css', join(uplot, 'uPlot.min.css')],
    ])
    const html = readFileSync(join(PAGE_DIR, INDEX), 'utf8')
    const scripts = [...html.matchAll(/<script type="importmap">([\s\S]*?)<\/script>/g)].map(match => match[1] ?? '')
    this.scriptHashes = scripts.map(script => createHash('sha256').update(script).digest('base64'))
  }

  get paths(): string[] {
    return [...this.#files.keys()]
  }

  /** Undefined where there is none of that path. */
  get(path: string): Asset | undefined {
    const ready = this.#ready.get(path)
    if (ready) return ready
    const file = this.#files.get(path)
    if (file === undefined) return undefined
    const text = readFileSync(file, 'utf8')
    const made = asset(
      typeOf(file) ?? '',
      path === '/' ? this.#withPreloads(text) : file.endsWith('.ts') ? withoutTypes(text) : text,
    )
    this.#ready.set(path, made)
    return made
  }

  /** Modules that import modules would be fetched one row after another: the page names all of them at once. */
  #withPreloads(html: string): string {
    const modules = this.paths.filter(path => typeOf(path)?.startsWith('text/javascript'))
    const links = modules.map(path => `<link rel="modulepreload" href="${path}" />`)
    return html.replace('</head>', `  ${links.join('\n    ')}\n  </head>`)
  }
}

function typeOf(file: string): string | undefined {
  return TYPES[file.slice(file.lastIndexOf('.'))]
}

/** Node says at the first call that this is experimental: to an operator's terminal that is nothing to be told. */
function withoutTypes(text: string): string {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return stripTypeScriptTypes(text)
  } finally {
    process.emitWarning = emitWarning
  }
}

function asset(type: string, text: string): Asset {
  const bytes = Buffer.from(text)
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 20)}"`
  return { type, bytes, gzip: gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }), etag }
}
