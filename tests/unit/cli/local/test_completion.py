"""Gateway responses, which ministack leaves out."""

from callstream_cli.local import (
    completion,
)


class TestGatewayResponses:
    def test_gateway_responses_are_found_in_the_bodies_of_rest_apis(self) -> None:
        template = {
            "Resources": {
                "Queue": {"Type": "AWS::SQS::Queue"},
                "Plain": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "plain"}},
                "AsappApi": {
                    "Type": "AWS::ApiGateway::RestApi",
                    "Properties": {
                        "Body": {
                            "x-amazon-apigateway-gateway-responses": {
                                "THROTTLED": {
                                    "statusCode": 429,
                                    "responseParameters": {"gatewayresponse.header.A": "'b'"},
                                    "responseTemplates": {"application/json": "{}"},
                                },
                                "DEFAULT_4XX": {},
                            }
                        }
                    },
                },
            }
        }
        assert list(completion.gateway_responses(template)) == [
            completion.GatewayResponse(
                api="AsappApi",
                type="THROTTLED",
                status="429",
                parameters={"gatewayresponse.header.A": "'b'"},
                templates={"application/json": "{}"},
            ),
            completion.GatewayResponse(
                api="AsappApi", type="DEFAULT_4XX", status=None, parameters={}, templates={}
            ),
        ]
