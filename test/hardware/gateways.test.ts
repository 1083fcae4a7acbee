import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { gatewayNames, loadGateway } from '../../src/config/gateway-profile.ts'
import { durationText } from '../../src/runtime/units.ts'

const RULES = fileURLToPath(new URL('../../hardware/udev/60-headrace-serial.rules', import.meta.url))

test('there are profiles of six gateways at least', () => {
  expect(gatewayNames().length).toBeGreaterThanOrEqual(6)
})

describe.each(gatewayNames())('%s', name => {
  const gateway = loadGateway(name)

  test('has serial ports, sources, and wiring notes', () => {
    expect(gateway.serial.length).toBeGreaterThan(0)
    for (const source of gateway.sources) expect(source).toMatch(/,/)
  })

  test('spares a card or eMMC, and promises more on an SSD', () => {
    const leastMs = { sd_card: 500, emmc: 100, ssd: 0 }[gateway.storage.kind]
    expect(gateway.storage.durability, durationText(gateway.storage.durability)).toBeGreaterThanOrEqual(leastMs)
  })
})

test('a gateway that there is no profile of is said, with the one that was meant', () => {
  expect(() => loadGateway('siemens-iot2051')).toThrow('did you mean "siemens-iot2050"?')
})

/** udev(7): KEY OPERATOR "value", separated by commas; what may be compared, and what may be set. */
const MATCH = new Set(['SUBSYSTEM', 'KERNEL', 'ACTION', 'DRIVER', 'ENV', 'ATTR', 'ATTRS', 'SUBSYSTEMS', 'DRIVERS', 'KERNELS'])
const SET = new Set(['SYMLINK', 'GROUP', 'MODE', 'OWNER', 'ENV', 'ATTR', 'TAG', 'RUN'])
const PART = /^([A-Z]+)(?:\{([^}]+)\})?(==|!=|\+=|:=|=)"([^"]*)"$/

function wrongIn(rule: string): string | undefined {
  for (const part of rule.split(/,\s*/)) {
    const [, key = '', , operator = ''] = PART.exec(part) ?? []
    const isComparison = operator === '==' || operator === '!='
    if (!(isComparison ? MATCH : SET).has(key)) return part
  }
  return undefined
}

test('the udev rules are rules', () => {
  const rules = readFileSync(RULES, 'utf8')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
  expect(rules.length).toBeGreaterThanOrEqual(5)
  for (const rule of rules) expect(wrongIn(rule)).toBeUndefined()
  for (const wrong of ['SUBSYSTEM="tty"', 'SYMLINK=="x"', 'SUBSYSTEM==tty', 'NAMES=="x"']) expect(wrongIn(wrong)).toBe(wrong)
})

const udevadm = ['/usr/bin/udevadm', '/bin/udevadm'].find(path => existsSync(path))
/** `udevadm verify` came with systemd 254. */
const canVerify = udevadm !== undefined && Number.parseInt(execFileSync(udevadm, ['--version'], { encoding: 'utf8' }), 10) >= 254
if (canVerify) {
  test('udevadm takes the rules as well', () => {
    execFileSync(udevadm ?? '', ['verify', RULES])
  })
}
