import { createPrivateKey, type KeyObject, sign, verify } from 'node:crypto'

/** What a signature is for: one that was made for the one is no use for the other. */
type Purpose = 'renew' | 'opening'

function signed(purpose: Purpose, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`headrace ${purpose} 1\n`), body])
}

/** A signature with a gateway's key (PEM) over SHA-256, base64. */
export function prove(key: string, purpose: Purpose, body: Buffer): string {
  return sign('sha256', signed(purpose, body), createPrivateKey(key)).toString('base64')
}

export function isProven(key: KeyObject, purpose: Purpose, body: Buffer, signature: string): boolean {
  return verify('sha256', signed(purpose, body), key, Buffer.from(signature, 'base64'))
}
