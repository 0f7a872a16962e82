"""The parts of a deployment that ministack leaves out and AWS does not.

A REST API's GatewayResponses reach CloudFormation inside the API's OpenAPI body, where ministack
does not look for them. ministack does honour responses that an API call puts, from the next
deployment of a stage on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient
    from mypy_boto3_apigateway.literals import GatewayResponseTypeType
    from mypy_boto3_cloudformation import CloudFormationClient

_EXTENSION = "x-amazon-apigateway-gateway-responses"


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """One answer that API Gateway gives by itself, as the template defines it."""

    api: str
    """Logical id."""
    type: str
    status: str | None
    parameters: dict[str, str]
    templates: dict[str, str]


def gateway_responses(template: Mapping[str, Any]) -> Iterator[GatewayResponse]:
    """Find all gateway responses in a ``template`` that SAM has transformed."""
    for api, resource in template["Resources"].items():
        if resource["Type"] != "AWS::ApiGateway::RestApi":
            continue
        responses = resource["Properties"].get("Body", {}).get(_EXTENSION, {})
        for response_type, response in responses.items():
            status = response.get("statusCode")
            yield GatewayResponse(
                api=api,
                type=response_type,
                status=None if status is None else str(status),
                parameters=dict(response.get("responseParameters", {})),
                templates=dict(response.get("responseTemplates", {})),
            )


def apply_gateway_responses(
    cloudformation: "CloudFormationClient", apigateway: "APIGatewayClient", stack: str
) -> None:
    """Put the gateway responses of every REST API in ``stack`` and deploy those APIs again."""
    template = cloudformation.get_template(StackName=stack, TemplateStage="Processed")
    physical_ids = {
        resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "")
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        for resource in page["StackResourceSummaries"]
    }
    changed = set()
    for response in gateway_responses(cast("Mapping[str, Any]", template["TemplateBody"])):
        api_id = physical_ids[response.api]
        _put(apigateway, api_id, response)
        changed.add(api_id)
    for api_id in sorted(changed):
        for stage in apigateway.get_stages(restApiId=api_id)["item"]:
            apigateway.create_deployment(restApiId=api_id, stageName=stage["stageName"])


def _put(apigateway: "APIGatewayClient", api_id: str, response: GatewayResponse) -> None:
    response_type = cast("GatewayResponseTypeType", response.type)
    # No status code means the type's own status, an empty one does not.
    if response.status is None:
        apigateway.put_gateway_response(
            restApiId=api_id,
            responseType=response_type,
            responseParameters=response.parameters,
            responseTemplates=response.templates,
        )
    else:
        apigateway.put_gateway_response(
            restApiId=api_id,
            responseType=response_type,
            statusCode=response.status,
            responseParameters=response.parameters,
            responseTemplates=response.templates,
        )
