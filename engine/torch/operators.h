// Any operator of ATen by its name: arguments are converted by its schema, results go to slots.

#pragma once

#include <ATen/core/grad_mode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <cmath>

#include "slots.h"
#include "trimHeap.h"

namespace {

Kind kindOf(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return Kind::kTensor;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
    case c10::TypeKind::ScalarTypeType:
    case c10::TypeKind::LayoutType:
    case c10::TypeKind::MemoryFormatType: return Kind::kInt;
    case c10::TypeKind::FloatType: return Kind::kFloat;
    case c10::TypeKind::BoolType:
    case c10::TypeKind::SymBoolType: return Kind::kBool;
    case c10::TypeKind::NumberType: return Kind::kScalar;
    case c10::TypeKind::StringType: return Kind::kString;
    case c10::TypeKind::DeviceObjType: return Kind::kDevice;
    case c10::TypeKind::ListType: {
      const auto& inner = type->expectRef<c10::ListType>().getElementType();
      if (inner->kind() == c10::TypeKind::OptionalType) {
        const auto& item = inner->expectRef<c10::OptionalType>().getElementType();
        return item->kind() == c10::TypeKind::TensorType ? Kind::kOptionalTensorList : Kind::kEmptyList;
      }
      switch (kindOf(inner)) {
        case Kind::kTensor: return Kind::kTensorList;
        case Kind::kInt: return Kind::kIntList;
        case Kind::kFloat: return Kind::kFloatList;
        case Kind::kBool: return Kind::kBoolList;
        default: return Kind::kOther;
      }
    }
    default: return Kind::kOther;
  }
}

c10::Scalar toScalar(napi_env env, napi_value value, const char* what) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  if (type == napi_boolean) return c10::Scalar(toBool(env, value, what));
  const double number = toNumber(env, value, what);
  const int64_t whole = static_cast<int64_t>(number);
  return std::abs(number) < 9e15 && static_cast<double>(whole) == number ? c10::Scalar(whole) : c10::Scalar(number);
}

c10::IValue convert(napi_env env, State* state, const Argument& argument, napi_value value) {
  const char* what = argument.name.c_str();
  if (isMissing(env, value)) {
    if (argument.hasDefault) return argument.defaultValue;
    if (argument.optional) return c10::IValue();
    fail(std::string("argument ") + what + " is missing");
  }
  switch (argument.kind) {
    case Kind::kTensor:
    case Kind::kOptionalTensor: return tensorAt(env, state, value, what);
    case Kind::kTensorList: {
      const uint32_t length = listLength(env, value, what);
      std::vector<at::Tensor> list;
      list.reserve(length);
      for (uint32_t i = 0; i < length; i++) list.push_back(tensorAt(env, state, element(env, value, i), what));
      return list;
    }
    case Kind::kOptionalTensorList: {
      const uint32_t length = listLength(env, value, what);
      c10::List<std::optional<at::Tensor>> list;
      for (uint32_t i = 0; i < length; i++) {
        napi_value item = element(env, value, i);
        list.push_back(isMissing(env, item) ? std::optional<at::Tensor>() : tensorAt(env, state, item, what));
      }
      return list;
    }
    case Kind::kInt: return toInt(env, value, what);
    case Kind::kFloat: return toNumber(env, value, what);
    case Kind::kBool: return toBool(env, value, what);
    case Kind::kScalar: return toScalar(env, value, what);
    case Kind::kString: return toString(env, value, what);
    case Kind::kDevice: return c10::Device(toString(env, value, what));
    case Kind::kIntList: {
      const uint32_t length = listLength(env, value, what);
      std::vector<int64_t> list(length);
      for (uint32_t i = 0; i < length; i++) list[i] = toInt(env, element(env, value, i), what);
      return list;
    }
    case Kind::kFloatList: {
      const uint32_t length = listLength(env, value, what);
      std::vector<double> list(length);
      for (uint32_t i = 0; i < length; i++) list[i] = toNumber(env, element(env, value, i), what);
      return list;
    }
    case Kind::kBoolList: {
      const uint32_t length = listLength(env, value, what);
      c10::List<bool> list;
      for (uint32_t i = 0; i < length; i++) list.push_back(toBool(env, element(env, value, i), what));
      return list;
    }
    case Kind::kEmptyList: {
      if (listLength(env, value, what) != 0) fail(std::string("internal: argument ") + what + ": only an empty list is converted");
      return c10::impl::GenericList(argument.type->expectRef<c10::ListType>().getElementType());
    }
    default: fail(std::string("internal: argument ") + what + " is of a type that the binding does not convert");
  }
}

/** operator(name, overload): the number of an operator such as ("aten::add", "Tensor"). */
napi_value operatorNumber(napi_env env, State* state, size_t, napi_value* args) {
  const std::string name = toString(env, args[0], "name");
  const std::string overload = toString(env, args[1], "overload");
  auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!handle) fail("this libtorch has no operator " + name + (overload.empty() ? "" : "." + overload));
  Operator entry{*handle, overload.empty() ? name : name + "." + overload, {}};
  for (const auto& argument : handle->schema().arguments()) {
    c10::TypePtr type = argument.type();
    const bool optional = type->kind() == c10::TypeKind::OptionalType;
    if (optional) type = type->expectRef<c10::OptionalType>().getElementType();
    Kind kind = kindOf(type);
    if (kind == Kind::kTensor && optional) kind = Kind::kOptionalTensor;
    const auto& value = argument.default_value();
    entry.arguments.push_back({kind, type, optional, value.has_value(), value.value_or(c10::IValue()), entry.name + "(" + argument.name() + ")"});
  }
  state->operators.push_back(std::move(entry));
  return makeInt(env, static_cast<int64_t>(state->operators.size() - 1));
}

int pushResult(State* state, int index, c10::IValue& value) {
  if (index >= kMaxResults) fail("internal: an operator returned more than " + std::to_string(kMaxResults) + " values");
  if (value.isTensor()) {
    at::Tensor tensor = std::move(value).toTensor();
    if (!tensor.defined()) {
      state->meta[1 + index * kRecord] = -1;
      state->scalars[index] = 0;
      return index + 1;
    }
    describe(state, index, store(state, std::move(tensor)));
    return index + 1;
  }
  if (value.isTensorList()) {
    for (const at::Tensor& tensor : value.toTensorVector()) {
      c10::IValue item(tensor);
      index = pushResult(state, index, item);
    }
    return index;
  }
  state->meta[1 + index * kRecord] = -1;
  state->scalars[index] = value.isScalar() ? value.toScalar().toDouble() : value.isSymInt() ? static_cast<double>(value.toSymInt().expect_int()) : 0;
  return index + 1;
}

/** call(operator, ...arguments): results go to `meta`; arguments left out take the schema's defaults. */
napi_value call(napi_env env, State* state, size_t count, napi_value* args) {
  tidyHeap(state);
  const int64_t number = toInt(env, args[0], "operator");
  if (number < 0 || number >= static_cast<int64_t>(state->operators.size())) fail("internal: no operator " + std::to_string(number));
  const Operator& op = state->operators[number];
  if (count - 1 > op.arguments.size()) fail("internal: too many arguments for " + op.name);
  torch::jit::Stack stack;
  stack.reserve(op.arguments.size());
  for (size_t i = 0; i < op.arguments.size(); i++) {
    if (i + 1 < count) {
      stack.push_back(convert(env, state, op.arguments[i], args[i + 1]));
    } else if (op.arguments[i].hasDefault) {
      stack.push_back(op.arguments[i].defaultValue);
    } else if (op.arguments[i].optional) {
      stack.emplace_back();
    } else {
      fail("internal: " + op.arguments[i].name + " is missing");
    }
  }
  if (at::GradMode::is_enabled()) {
    op.handle.callBoxed(stack);
  } else {
    // nothing is being recorded: skip autograd's kernels altogether
    at::AutoDispatchBelowADInplaceOrView guard;
    op.handle.callBoxed(stack);
  }
  int results = 0;
  for (c10::IValue& value : stack) results = pushResult(state, results, value);
  state->meta[0] = results;
  return undefined(env);
}

}  // namespace
