import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { compile, KEPT_PACKAGES, readJson } from './compile.ts'
import { closure, type Lock, nameOf, productionPackages } from './lock.ts'
import { unpackPackage } from './packed.ts'
import { type Arch, NODE_VERSION, TARGETS } from './targets.ts'

/** Of a package that is kept as it is, what a running program reads. */
const CODE = /\.(c?js|mjs|json|css)$/
const NOT_CODE =
  /\/(test|tests|docs|doc|example|examples|bench|deps|vendor|cnoke.cjs|indirect.c?js|src\/.*\.(c|h|cpp|hpp)|prebuilds|types|browser|\.github)(\/|$)|\.min\.js$|\.iife|\.umd|\/dist\/rhea|rhea\/bin/
const FOR_ONE_MACHINE = /^@(node-rs\/crc32|koromix\/koffi)-/

export interface ProgramOptions {
  readonly root: string
  readonly cache: string
  readonly arch: Arch
  readonly version: string
  readonly build: string
  /** Of the commit, seconds since 1970; 0 where there is none. */
  readonly epoch: number
}

/** The folder `app`: compiled code, what it opens by path, dependencies with native parts; and `bin/node`. */
export async function layProgram(into: string, { root, cache, arch, version, build, epoch }: ProgramOptions): Promise<void> {
  const lock = readJson<Lock>(join(root, 'package-lock.json'))
  const target = TARGETS[arch]
  const app = join(into, 'app')
  for (const asset of await compile(root, app)) cpSync(join(root, asset), join(app, asset), { recursive: true })
  const manifest = { name: 'headrace', version, build, released: releasedOf(root, epoch), type: 'module' }
  writeFileSync(join(app, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  for (const path of closure(lock, KEPT_PACKAGES)) copyCode(join(root, path), join(app, path))
  for (const path of target.prebuilt)
    cpSync(join(root, 'node_modules', path), join(app, 'node_modules', path), { recursive: true })
  layOwn(lock, arch, { cache, app })
  layNode(into, arch, cache)
  layLicences(root, lock, join(into, 'licenses'))
  for (const file of nativeFiles(into))
    execFileSync(stripper(arch), ['--strip-unneeded', '--enable-deterministic-archives', file])
}

/** When it was made, as what is in the program goes by: no certificate of before is any use. Sources without a commit keep the day of their version. */
function releasedOf(root: string, epoch: number): string {
  if (epoch > 0) return new Date(epoch * 1_000).toISOString()
  return readJson<{ released: string }>(join(root, 'package.json')).released
}

function copyCode(from: string, into: string): void {
  cpSync(from, into, {
    recursive: true,
    filter: path => {
      const inside = path.slice(from.length)
      if (inside.startsWith('/node_modules') || NOT_CODE.test(inside)) return false
      return inside === '' || CODE.test(path) || !basename(path).includes('.') ? !/\/(LICENSE|Makefile)$/i.test(path) : false
    },
  })
}

function layOwn(lock: Lock, arch: Arch, { cache, app }: { cache: string; app: string }): void {
  for (const { name, files } of TARGETS[arch].own) {
    const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {}
    if (version === undefined || integrity === undefined) throw new Error(`${name} is not in package-lock.json`)
    unpackPackage({ name, version, integrity }, { cache, into: join(app, 'node_modules', name) }, files)
  }
}

function layNode(into: string, arch: Arch, cache: string): void {
  const { node } = TARGETS[arch]
  unpackPackage({ ...node, version: NODE_VERSION }, { cache, into }, ['package/bin/node'])
  execFileSync(stripper(arch), ['--strip-all', join(into, 'bin/node')])
  const licence = join(into, 'licenses/node')
  unpackPackage({ ...node, version: NODE_VERSION }, { cache, into: licence }, ['package/LICENSE'])
}

/** What a bundle for the machine needs and is not here, with what to do; undefined where all is. */
export function missingFor(arch: Arch): string | undefined {
  if (existsSync(stripper(arch))) return undefined
  return `${TARGETS[arch].strip} is missing, which a bundle for ${arch} needs: on Debian, apt-get install binutils-${arch === 'x64' ? 'x86-64' : 'aarch64'}-linux-gnu`
}

function stripper(arch: Arch): string {
  const { strip } = TARGETS[arch]
  return ['/usr/bin', '/usr/local/bin', '/bin'].map(folder => join(folder, strip)).find(existsSync) ?? strip
}

function layLicences(root: string, lock: Lock, into: string): void {
  for (const path of productionPackages(lock).keys()) {
    const folder = join(root, path)
    // Those of the machine that the bundle is made on are the same texts as those of the packages that need them.
    if (nameOf(path) === 'node' || FOR_ONE_MACHINE.test(nameOf(path)) || !existsSync(folder)) continue
    for (const file of readdirSync(folder).filter(name => /^(licen[cs]e|copying|notice)/i.test(name))) {
      const target = join(into, nameOf(path), file)
      mkdirSync(dirname(target), { recursive: true })
      cpSync(join(folder, file), target)
    }
  }
}

function nativeFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.node'))
    .map(path => join(folder, path))
}
