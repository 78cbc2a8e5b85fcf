import assert from 'node:assert/strict';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Answer } from './http.ts';
import { request } from './http.ts';

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters: readonly { readonly name: string; readonly description: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> };
  readonly responses: Readonly<Record<string, ResponseObject>>;
}

interface ResponseObject {
  readonly description: string;
  readonly content?: Readonly<Record<string, { readonly schema?: object }>>;
}

export interface Description {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** What a gateway says of one of its ports, and whether it keeps to it. */
export class ApiDescription {
  readonly description: Description;
  readonly #ajv = new Ajv2020({ strict: false });

  private constructor(description: Description) {
    this.description = description;
    this.#ajv.addSchema({ $id: 'api', ...description }, 'api');
  }

  static async of(admin: string, port: string): Promise<ApiDescription> {
    const { status, json, text } = await request('GET', `${admin}/_openapi?port=${port}`);
    assert.equal(status, 200, text);
    return new ApiDescription(json as unknown as Description);
  }

  operations(): readonly { readonly at: string; readonly operation: Operation }[] {
    return Object.entries(this.description.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ at: `${method} ${path}`, operation })),
    );
  }

  /** Fails where the answer is none that the description of its operation has. */
  assertConforms(asked: { readonly method: string; readonly path: string }, answer: Answer): void {
    const { method, path } = asked;
    const told = `${method} ${path} → ${answer.status} ${answer.text.slice(0, 300)}`;
    const operation = this.#operationOf(method, path);
    assert.ok(operation !== undefined, `not described: ${told}`);
    const response = operation.responses[String(answer.status)];
    assert.ok(response !== undefined, `the status is not described: ${told}`);
    const contentType = answer.headers.get('content-type');
    if (response.content === undefined || method === 'HEAD')
      return assert.equal(answer.text, '', `no body is described: ${told}`);
    const type = contentType?.split(';')[0] ?? '';
    const content = response.content[type] ?? response.content['*/*'];
    assert.ok(content !== undefined, `${contentType} is not described: ${told}`);
    if (content.schema === undefined) return;
    const isValid = this.#ajv.compile(this.#resolved(content.schema));
    assert.ok(isValid(answer.json), `${this.#ajv.errorsText(isValid.errors)}: ${told}`);
  }

  /** Compiles every schema: what is none throws. */
  compileAll(): number {
    let count = 0;
    for (const { operation } of this.operations()) {
      const contents = [
        operation.requestBody?.content ?? {},
        ...Object.values(operation.responses).map(({ content }) => content ?? {}),
      ];
      for (const { schema } of contents.flatMap((each) => Object.values(each)) as {
        schema?: object;
      }[]) {
        if (schema === undefined) continue;
        this.#ajv.compile(this.#resolved(schema));
        count++;
      }
    }
    return count;
  }

  /** The only references are those to components. */
  #resolved(schema: object): object {
    if (!('$ref' in schema)) return schema;
    const name = String(schema.$ref).replace('#/components/schemas/', '');
    return this.description.components.schemas[name] ?? assert.fail(`no schema ${name}`);
  }

  /** As the router does: what is spelled out comes before what is a parameter. */
  #operationOf(method: string, path: string): Operation | undefined {
    const segments = new URL(path, 'http://x').pathname.split('/');
    const fitting = Object.keys(this.description.paths).filter((template) => {
      const parts = template.split('/');
      return (
        parts.length === segments.length &&
        parts.every((part, n) => part === segments[n] || (isParameter(part) && segments[n] !== ''))
      );
    });
    const best = fitting.toSorted((a, b) => spelledOut(b) - spelledOut(a))[0];
    return best === undefined ? undefined : this.description.paths[best]?.[method.toLowerCase()];
  }
}

const isParameter = (part: string): boolean => part.startsWith('{');
const spelledOut = (template: string): number =>
  template.split('/').filter((part) => !isParameter(part)).length;
